"""Neighbour sampling in vectorised NumPy, by the law of `rw.sampling.NeighborSampler`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import relweave as rw
from relweave.sampling import Sample, SampledLayer


class NumpySampler:
    """Uniform over the neighbours of each destination and relation."""

    def __init__(
        self, graph: rw.HeteroGraph, fanouts: Sequence[int], *, replace: bool = False, seed: int = 0
    ) -> None:
        self.graph, self.fanouts, self.replace = graph, fanouts, replace
        self.rng = np.random.default_rng(seed)
        self.rows = {}
        for relation in graph.relations:
            source, destination = graph.edges(relation)
            ends = np.arange(graph.node_counts[relation[2]] + 1)
            self.rows[relation] = (np.searchsorted(destination, ends), source)
        self.place = {t: np.full(n, -1, np.int32) for t, n in graph.node_counts.items()}

    def sample(self, seeds: Mapping[str, np.ndarray]) -> Sample:
        nodes = {t: np.asarray(seeds.get(t, []), np.int32) for t in self.graph.node_types}
        layers: list[SampledLayer] = []
        for fanout in reversed(self.fanouts):
            drawn = {r: self._draw(r, nodes[r[2]], fanout) for r in self.graph.relations}
            destinations = {t: len(n) for t, n in nodes.items()}
            for t in self.graph.node_types:
                sources = [drawn[r][0] for r in self.graph.relations if r[0] == t]
                self.place[t][nodes[t]] = np.arange(len(nodes[t]), dtype=np.int32)
                new = np.concatenate(sources) if sources else np.zeros(0, np.int32)
                new = np.unique(new[self.place[t][new] < 0])
                self.place[t][new] = np.arange(len(nodes[t]), len(nodes[t]) + len(new))
                nodes[t] = np.concatenate([nodes[t], new])
            edges = {r: (self.place[r[0]][s], d) for r, (s, d) in drawn.items()}
            layers.append(SampledLayer({t: len(n) for t, n in nodes.items()}, destinations, edges))
            for t in self.graph.node_types:
                self.place[t][nodes[t]] = -1
        return Sample(nodes, tuple(reversed(layers)))

    def _draw(self, relation: tuple, destinations: np.ndarray, fanout: int):
        """Return the source nodes and destination positions of the drawn edges."""
        offsets, sources = self.rows[relation]
        begin = offsets[destinations]
        degree = offsets[destinations + 1] - begin
        if self.replace:
            row = np.repeat(np.flatnonzero(degree).astype(np.int32), fanout)
            slot = (self.rng.random(len(row), np.float32) * degree[row]).astype(np.int64)
            return sources[begin[row] + slot], row
        # Rows with more neighbours than the fan-out take those with the lowest random keys.
        widest = max(int(degree.max(initial=0)), fanout)
        keys = self.rng.random((len(destinations), widest), np.float32)
        keys[np.arange(widest) >= degree[:, None]] = 2.0
        if widest > fanout:
            slots = np.argpartition(keys, fanout - 1, axis=1)[:, :fanout]
        else:
            slots = np.broadcast_to(np.arange(widest), keys.shape)
        taken = np.take_along_axis(keys, slots, axis=1) < 2.0
        row = np.broadcast_to(np.arange(len(keys), dtype=np.int32)[:, None], slots.shape)[taken]
        return sources[begin[row] + slots[taken]], row
