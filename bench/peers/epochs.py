"""An epoch of the HGNN and one of the towers against the plain PyTorch program."""

from __future__ import annotations

import numpy as np

import relweave as rw
import training
from comparison import Comparison, in_turns, medians

NEEDS = ("torch",)
NAMES = ("hgnn_epoch_vs_torch", "two_tower_epoch_vs_torch")
SIZE = 2_048  # of the square matrices whose product is the peak


def dense_peak(threads: int, repeats: int, size: int = SIZE) -> float:
    """Return the operations per second of the faster of our and PyTorch's dense product."""
    import torch

    torch.set_num_threads(threads)
    x = np.random.default_rng(0).random((size, size), np.float32)
    t = torch.from_numpy(x)
    times = in_turns(
        lambda: rw.ops.linear(x, x, threads=threads), lambda: t @ t, 3 * repeats, threads=threads
    )
    return 2 * size**3 / min(map(min, times))


def compare(threads: int, repeats: int) -> list[Comparison]:
    """Take epochs out of the runs of whole trainings: the same batches, at equal quality."""
    rows = training.runs(threads, repeats)
    ours, theirs = (medians(rows[who]) for who in ("ours", "peer"))
    peak = dense_peak(threads, repeats)
    comparisons = []
    for name in NAMES:
        key = name.removesuffix("_vs_torch")
        operations = ours[f"{key}_operations"]
        share = operations / ours[f"{key}_s"] / peak
        comparisons.append(
            Comparison(
                name,
                training.PEER,
                threads,
                ours[f"{key}_s"],
                theirs[f"{key}_s"],
                training.equal_quality(rows),
                {"dense_share": share, "operations": operations, "dense_peak": peak},
                f"`{name}`: our dense products alone are {operations / 1e9:,.0f} G operations, "
                f"{share:.0%} of what the time would allow at the {peak / 1e9:,.0f} G/s of a "
                f"product of {SIZE:,} x {SIZE:,} matrices.",
            )
        )
    return comparisons
