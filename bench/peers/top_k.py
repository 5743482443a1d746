"""The ten best of a million vectors against faiss, with each one's memory."""

from __future__ import annotations

import numpy as np

import relweave as rw
from comparison import Comparison, compared, in_turns, run_program, seconds_per_call

NEEDS = ("faiss",)
NAMES = ("top_k_vs_faiss",)
K = 10
PILOT = 256  # queries that tell whether all of them would take too long
LONGEST = 60.0  # seconds of a repeat
FEWER = 2_000  # queries in that case
ALLOWANCE_MIB = 256 * 1e6 / 2**20  # memory beside the index


def same_where_scores_differ(ids: np.ndarray, scores: np.ndarray, other: tuple) -> bool:
    """Compare rankings; `other` holds scores and ids, each one place longer than `ids`.

    An id may differ only where a neighbour in the ranking has the same score up to rounding.
    """
    other_scores, other_ids = other
    k = ids.shape[1]
    rounding = 1e-5 * np.abs(other_scores).max()
    if not np.abs(scores - other_scores[:, :k]).max() <= rounding:
        return False
    gaps = np.abs(np.diff(other_scores, axis=1)) <= 2 * rounding
    tied = gaps.copy()
    tied[:, 1:] |= gaps[:, :-1]
    return bool(((ids == other_ids[:, :k]) | tied).all())


def compare(
    threads: int,
    repeats: int,
    items: int = 1_000_000,
    queries: int = 10_000,
    width: int = 128,
) -> list[Comparison]:
    """Check, then time the search of all queries at once; memory is of processes of their own."""
    import faiss

    faiss.omp_set_num_threads(threads)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((items, width), np.float32)
    q = rng.standard_normal((queries, width), np.float32)
    ours, theirs = rw.ExactIndex(vectors), faiss.IndexFlatIP(width)
    theirs.add(vectors)
    del vectors
    first = q[:PILOT]
    agree = same_where_scores_differ(
        *ours.search(first, k=K, threads=threads), theirs.search(first, K + 1)
    )
    pilot = seconds_per_call(lambda: ours.search(first, k=K, threads=threads))
    if pilot * queries / len(first) > LONGEST:
        q = q[:FEWER]
    times = in_turns(
        lambda: ours.search(q, k=K, threads=threads),
        lambda: theirs.search(q, K),
        repeats,
        threads=threads,
    )
    peaks = {
        who: run_program("top_k_memory.py", [who, items, width, threads])["peak_mib"]
        for who in ("ours", "peer")
    }
    index = items * width * 4 / 2**20
    return [
        compared(
            NAMES[0],
            "faiss, IndexFlatIP",
            threads,
            agree,
            times,
            {
                "queries": len(q),
                "queries_asked": queries,
                "peak_mib": peaks,
                "index_mib": index,
                "fits": {who: peak < index + ALLOWANCE_MIB for who, peak in peaks.items()},
            },
            f"{len(q):,} queries of {items:,} x {width}; a process that builds the index in parts "
            f"and searches takes {peaks['ours']:.0f} MiB against {peaks['peer']:.0f} MiB, of which "
            f"the vectors are {index:.0f} MiB.",
        )
    ]
