"""How much of this machine's gather bandwidth the aggregation reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import relweave as rw
from comparison import Comparison, compared, seconds_per_call

NEEDS = ()
NAMES = ("gather_bandwidth_share",)
PEER = "gather at random rows, the same in the same order"
BEST_OF = 3  # as many as rw.bench.gather_bandwidth takes


def compare(threads: int, repeats: int, scale: float = 0.2, width: int = 128) -> list[Comparison]:
    """Time the maximum over a skewed graph, winners kept, and a bare gather of the same rows.

    The bare gather loads and adds the row of every edge and writes nothing. At a scale of 0.2 the
    rows are 251 MB, far more than a cache.
    """
    graph = rw.bench.popular_graph(scale)
    nodes, edges = graph.node_counts["node"], graph.edge_count(("node", "to", "node"))
    rows = np.random.default_rng(1).random((nodes, width), np.float32)
    gathered = edges * width * 4

    def aggregate(**options):
        return rw.ops.relation_aggregate(graph, dst="node", messages=rows, **options)

    def ours():
        return aggregate(return_cache=True, threads=threads)

    agree = bool((ours()[0] == aggregate(implementation="reference")).all())
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        times[0].append(min(seconds_per_call(ours) for _ in range(BEST_OF)))
        bandwidth = rw.bench.gather_bandwidth(graph, "node", rows, threads=threads)
        times[1].append(gathered / bandwidth)
    found = compared(
        NAMES[0],
        PEER,
        threads,
        agree,
        times,
        {"nodes": nodes, "edges": edges, "gathered_bytes": gathered},
    )
    reached, bare = (gathered / s / 1e9 for s in (found.ours_s, found.peer_s))
    note = f"{reached:.1f} GB/s of {bare:.1f} GB/s, {found.ratio:.0%}."
    return [replace(found, note=note)]
