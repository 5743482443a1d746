"""Samples of a graph's neighbourhoods, for training on graphs that do not fit a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._arrays import as_indices, as_mapping
from .config import flag, seed_of, thread_count, whole
from .errors import ConfigError, DTypeError, describe
from .graph import HeteroGraph, Nodes, Relation, expect_graph

__all__ = ["NeighborSampler", "Sample", "SampledLayer"]

_ALL = int(np.iinfo(np.int32).max)


@dataclass(frozen=True)
class SampledLayer:
    """The edges of one layer of a network, as positions in the nodes of the sample.

    Attributes
    ----------
    sources, destinations : dict of str to int
        Of each type, the layer reads the first `sources` nodes of the sample, and computes the
        first `destinations` of them.
    edges : dict of relation to (source, destination)
        Two int32 arrays of equal length per relation, by destination; the neighbours of a
        destination in the order of the graph.
    """

    sources: dict[str, int]
    destinations: dict[str, int]
    edges: dict[Relation, tuple[Nodes, Nodes]]


@dataclass(frozen=True)
class Sample:
    """The neighbourhood of some seeds.

    Attributes
    ----------
    nodes : dict of str to (n,) array of int32
        Nodes of the graph per type, each once: the seeds first, in their order.
    layers : tuple of SampledLayer
        Input side first: what layer l computes is what layer l + 1 reads, and the last computes the
        seeds.
    """

    nodes: dict[str, Nodes]
    layers: tuple[SampledLayer, ...]


class NeighborSampler:
    """Uniform neighbour sampling over all relations of a graph.

    Each layer takes at most `fanout` neighbours per destination and relation, all of them where
    there are no more, and every draw of them is equally likely.

    Parameters
    ----------
    graph : HeteroGraph
    fanouts : sequence of int or None
        Neighbours per destination and relation, one number per layer of the network, input side
        first; None takes all.
    replace : bool
        Draw every neighbour anew, `fanout` of them even where there are fewer (but at least one).
    threads : int, optional

    Raises
    ------
    ConfigError
        No layer, a fanout below 1, or None with `replace`.
    DTypeError
        Not a graph.

    Notes
    -----
    A sample is a function of seeds, `seed` and `step`, the same for any number of threads. Source:
    Hamilton et al. 2017, GraphSAGE, algorithm 2 (arXiv 1706.02216).

    Examples
    --------
    >>> import relweave as rw
    >>> rates = ("user", "rates", "item")
    >>> g = rw.HeteroGraph({"user": 4, "item": 2}, {rates: ([3, 1, 2, 0], [0, 0, 0, 1])})
    >>> sample = rw.sampling.NeighborSampler(g, [2]).sample({"item": [1, 0]})
    >>> source, destination = sample.layers[0].edges[rates]
    >>> len(source), destination
    (3, array([0, 1, 1], dtype=int32))
    >>> sample.nodes["user"][source[0]], sample.nodes["item"][destination[0]]
    (np.int32(0), np.int32(1))
    """

    def __init__(
        self,
        graph: HeteroGraph,
        fanouts: Sequence[int | None],
        *,
        replace: bool = False,
        threads: int | None = None,
    ) -> None:
        here = "NeighborSampler"
        self.graph = expect_graph(graph, f"{here}: graph")
        listed: Any = fanouts
        if not isinstance(listed, Sequence | np.ndarray) or isinstance(listed, str):
            got = f"a {type(listed).__name__}"
            raise DTypeError(describe(here, "fanouts", got, "a list, one number per layer"))
        self.fanouts = tuple(None if f is None else whole(f, here, "fanouts") for f in listed)
        self.replace = flag(replace, here, "replace")
        if self.replace and None in self.fanouts:
            got = "None with replace=True"
            raise ConfigError(describe(here, "fanouts", got, "a number to draw"))
        self.threads = thread_count(threads, here)
        self._core = _core.NeighborSampler(
            self.graph._core,
            fanouts=[_ALL if f is None else f for f in self.fanouts],
            replace=self.replace,
        )

    def __repr__(self) -> str:
        return f"NeighborSampler({self.graph!r}, {list(self.fanouts)}, replace={self.replace})"

    def sample(self, seeds: Mapping[str, Any], *, seed: int = 0, step: int = 0) -> Sample:
        """Draw the neighbourhood of some nodes.

        Parameters
        ----------
        seeds : mapping of str to array of int
            Nodes to compute, per type, each once; a type that is missing has none.
        seed, step : int
            Another step is another draw.

        Raises
        ------
        IndexError
            A node that the graph does not have.
        GraphError
            An unknown type, or a node given twice.
        ConfigError, DTypeError, ShapeError
        """
        here = "NeighborSampler.sample"
        given = as_mapping(seeds, f"{here}: seeds")
        for node_type in given:
            self.graph.type_code(node_type)
        nodes, layers = self._core.sample(
            [
                as_indices(given.get(t, np.zeros(0, np.int32)), f"{here}: seeds[{t!r}]", n)
                for t, n in self.graph.node_counts.items()
            ],
            seed=seed_of(seed, here),
            step=whole(step, here, "step", lowest=0, highest=2**64 - 1),
            threads=self.threads,
        )
        types, relations = self.graph.node_types, self.graph.relations
        return Sample(
            dict(zip(types, nodes, strict=True)),
            tuple(
                SampledLayer(
                    dict(zip(types, sources, strict=True)),
                    dict(zip(types, destinations, strict=True)),
                    dict(zip(relations, edges, strict=True)),
                )
                for sources, destinations, edges in layers
            ),
        )
