"""Additions and multiplications of the dense products in an epoch of relweave's training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

import relweave as rw
from xwines_protocol import Data

FORWARD_AND_WEIGHTS = 2  # products of a layer whose input takes no gradient; 3 where it does


def layers(rows: int, sizes: Sequence[int], first: int = FORWARD_AND_WEIGHTS) -> int:
    """Return the operations of an MLP's steps, backward pass included."""
    pairs = enumerate(pairwise(sizes))
    return sum(2 * rows * k * n * (3 if at else first) for at, (k, n) in pairs)


def item_graph(model: rw.Recommender) -> rw.HeteroGraph:
    """Return the links as relations between types, in both directions."""
    links = model.graph_
    offsets = np.asarray(links.type_offsets)
    names = links.type_names
    ends = np.concatenate([[links.lower, links.upper], [links.upper, links.lower]], axis=1)
    types = np.searchsorted(offsets, ends, side="right") - 1
    edges = {}
    for a, source in enumerate(names):
        for b, destination in enumerate(names):
            chosen = (types[0] == a) & (types[1] == b)
            if chosen.any():
                edges[source, "with", destination] = (
                    ends[0][chosen] - offsets[a],
                    ends[1][chosen] - offsets[b],
                )
    return rw.HeteroGraph(dict(zip(names, np.diff(offsets).tolist(), strict=True)), edges)


def hgnn_epoch(model: rw.Recommender, vectors: np.ndarray) -> int:
    """Return the operations of an epoch, from one sample of every item's neighbourhood.

    With its negatives a step has nearly every item of X-Wines among its seeds.
    """
    config = rw.HGNNConfig()
    graph = item_graph(model)
    sampler = rw.sampling.NeighborSampler(graph, [config.fanout] * len(config.layers))
    sample = sampler.sample({t: np.arange(n) for t, n in graph.node_counts.items()})
    sizes = [vectors.shape[1], *config.layers]
    step = 0
    for at, layer in enumerate(sample.layers):
        rows = sum(layer.destinations.values())
        rows += sum(len(np.unique(source)) for source, _ in layer.edges.values())
        step += layers(rows, sizes[at : at + 2], first=3 if at else FORWARD_AND_WEIGHTS)
    examples = model.history_["hgnn"].epochs[0].examples
    return step * -(-examples // config.batch)


def towers_epoch(model: rw.Recommender, d: Data, vectors: np.ndarray) -> int:
    """Return the operations of an epoch: user tower, item tower of each step's items, scores.

    The user tower's first layer multiplies the item table once and sums its rows.
    """
    config = rw.TwoTowerConfig()
    width = model.general_vectors_.shape[1]
    targets = np.random.default_rng(0).permutation(d.i[d.s])
    steps = np.split(targets, range(config.batch, len(targets), config.batch))
    first, last = config.layers[0], config.layers[-1]
    total = 0
    for step in steps:
        users, items = len(step), len(np.unique(step))
        total += layers(d.n_items, [width, first])
        total += layers(users, [2 * d.n_types, first])
        total += layers(users, config.layers, first=3)
        total += layers(items, [vectors.shape[1] + d.n_types + width, *config.layers])
        total += 3 * 2 * users * items * last
    return total
