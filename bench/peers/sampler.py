"""Neighbour sampling against a sampler of the same law in vectorised NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

import relweave as rw
from comparison import Comparison, compared, in_turns
from numpy_sampler import NumpySampler

NEEDS = ()
NAMES = ("sampler_vs_numpy",)
LEAST_SECONDS = 0.05


def lawful(
    graph: rw.HeteroGraph, sample: rw.sampling.Sample, fanouts: Sequence[int], replace: bool
) -> bool:
    """Tell whether all edges are of the graph, as many per row as the law says, none twice."""
    for layer, fanout in zip(sample.layers, fanouts, strict=True):
        for relation, (source, destination) in layer.edges.items():
            n = layer.destinations[relation[2]]
            size = graph.node_counts[relation[0]]
            ends = graph.edges(relation)
            known = ends[1].astype(np.int64) * size + ends[0]  # ascends
            nodes = sample.nodes[relation[2]][destination].astype(np.int64)
            drawn = np.sort(nodes * size + sample.nodes[relation[0]][source])
            first = np.searchsorted(known, drawn)
            there = np.append(known, -1)[first] == drawn
            copies = np.searchsorted(known, drawn, side="right") - first
            ordinal = np.arange(len(drawn)) - np.searchsorted(drawn, drawn)
            degree = np.bincount(ends[1], minlength=graph.node_counts[relation[2]])
            degree = degree[sample.nodes[relation[2]][:n]]
            wanted = np.where(degree > 0, fanout, 0) if replace else np.minimum(degree, fanout)
            counts = np.bincount(destination, minlength=n)
            if not (there.all() and (replace or (ordinal < copies).all())):
                return False
            if not np.array_equal(counts, wanted):
                return False
    return True


def compare(
    threads: int,
    repeats: int,
    nodes: int = 20_000,
    degree: int = 20,
    seeds: int = 1_024,
    fanouts: Sequence[int] = (10, 10),
) -> list[Comparison]:
    """Check, then time samples for `seeds` nodes of each of 3 types, 9 relations."""
    graph = rw.bench.uniform_graph(nodes, degree)
    rng = np.random.default_rng(2)
    start = {t: rng.choice(n, seeds, replace=False) for t, n in graph.node_counts.items()}
    agree, details = True, {}
    for replace in (True, False):
        mine = rw.sampling.NeighborSampler(graph, fanouts, replace=replace, threads=threads)
        theirs = NumpySampler(graph, fanouts, replace=replace)
        samples = mine.sample(start), theirs.sample(start)
        agree &= all(lawful(graph, sample, fanouts, replace) for sample in samples)
        times = in_turns(
            lambda mine=mine: mine.sample(start),
            lambda theirs=theirs: theirs.sample(start),
            6 * repeats + 1,
            LEAST_SECONDS,
            threads,
        )
        edges = sum(len(e[0]) for layer in samples[0].layers for e in layer.edges.values())
        if replace:
            ours_s, peer_s = (median(t) for t in times)
            details["with_replacement"] = {"ours_s": ours_s, "peer_s": peer_s, "edges": edges}
    details["edges"] = edges
    return [
        compared(
            NAMES[0],
            "NumPy, vectorised, bench/peers/numpy_sampler.py",
            threads,
            agree,
            times,
            details,
            f"Without replacement, {edges:,} edges; with replacement {peer_s / ours_s:.1f} times.",
        )
    ]
