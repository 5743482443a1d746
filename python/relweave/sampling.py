"""Samples of a graph's neighbourhoods, for training on graphs that do not fit a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._arrays import as_indices, as_mapping
from .config import flag, seed_of, thread_count, whole
from .errors import ConfigError, DTypeError, GraphError, describe
from .graph import HeteroGraph, Nodes, Relation, expect_graph

__all__ = ["NeighborLoader", "NeighborSampler", "Sample", "SampledLayer"]

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
        nodes, layers = self._core.sample(
            _by_type(self.graph, seeds, here),
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


class NeighborLoader:
    """Samples for batches of seeds, the next made on a thread beside the step that uses one.

    Every iteration is an epoch: all seeds once, in another order and with other neighbours.

    Parameters
    ----------
    sampler : NeighborSampler
    seeds : mapping of str to array of int
        Nodes to compute, per type, each once; a type that is missing has none.
    batch_size : int
        Seeds per batch, of all types together; the last batch has what is left.
    shuffle : bool
        False takes the seeds in their order, type after type.
    prefetch : int
        Samples made ahead; 0 makes each when it is asked for.
    seed : int
        Another seed is another order and other neighbours.

    Attributes
    ----------
    epoch : int
        Of the next iteration; set it to go on where another loader ended.

    Raises
    ------
    IndexError
        A node that the graph does not have.
    GraphError
        An unknown type, or a node given twice.
    ConfigError, DTypeError, ShapeError

    Notes
    -----
    What it gives is a function of its arguments and the epoch, the same for any number of threads.

    Examples
    --------
    >>> import relweave as rw
    >>> g = rw.bench.uniform_graph(100, 5)
    >>> sampler = rw.sampling.NeighborSampler(g, [3, 3])
    >>> loader = rw.sampling.NeighborLoader(sampler, {"a": range(100)}, batch_size=40)
    >>> [sample.layers[-1].destinations["a"] for sample in loader]
    [40, 40, 20]
    """

    def __init__(
        self,
        sampler: NeighborSampler,
        seeds: Mapping[str, Any],
        *,
        batch_size: int,
        shuffle: bool = True,
        prefetch: int = 1,
        seed: int = 0,
    ) -> None:
        here = "NeighborLoader"
        given: Any = sampler
        if not isinstance(given, NeighborSampler):
            got = f"a {type(given).__name__}"
            raise DTypeError(describe(here, "sampler", got, "a NeighborSampler"))
        self.sampler = sampler
        self.batch_size = whole(batch_size, here, "batch_size")
        self.shuffle = flag(shuffle, here, "shuffle")
        self.prefetch = whole(prefetch, here, "prefetch", lowest=0)
        self.seed = seed_of(seed, here)
        self.epoch = 0
        nodes = _by_type(sampler.graph, seeds, here)
        for node_type, some in zip(sampler.graph.node_types, nodes, strict=True):
            unique, counts = np.unique(some, return_counts=True)
            if len(unique) < len(some):
                got = f"node {unique[counts > 1][0]} of type {node_type} twice"
                raise GraphError(describe(here, "seeds", got, "unique nodes per type"))
        self._nodes = np.concatenate(nodes)
        self._types = np.repeat(np.arange(len(nodes)), [len(some) for some in nodes])

    def __repr__(self) -> str:
        return f"NeighborLoader({self.sampler!r}, {len(self._nodes)} seeds, {len(self)} batches)"

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self._nodes) // self.batch_size)

    def __iter__(self) -> Iterator[Sample]:
        """Yield the samples of an epoch."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        order = np.arange(len(self._nodes))
        if self.shuffle:
            order = np.random.default_rng((self.seed, epoch)).permutation(order)
        if self.prefetch == 0:
            yield from (self._batch(order, epoch, k) for k in range(len(self)))
            return
        with ThreadPoolExecutor(1, "relweave-loader") as thread:
            ahead = [
                thread.submit(self._batch, order, epoch, k)
                for k in range(min(self.prefetch, len(self)))
            ]
            try:
                for k in range(len(self)):
                    sample = ahead.pop(0).result()
                    if k + self.prefetch < len(self):
                        ahead.append(thread.submit(self._batch, order, epoch, k + self.prefetch))
                    yield sample
            finally:
                thread.shutdown(cancel_futures=True)

    def _batch(self, order: np.ndarray, epoch: int, k: int) -> Sample:
        chosen = order[k * self.batch_size : (k + 1) * self.batch_size]
        nodes, types = self._nodes[chosen], self._types[chosen]
        seeds = {t: nodes[types == code] for code, t in enumerate(self.sampler.graph.node_types)}
        return self.sampler.sample(seeds, seed=self.seed, step=epoch * len(self) + k)


def _by_type(graph: HeteroGraph, seeds: Mapping[str, Any], function: str) -> list[Nodes]:
    """Return the nodes of every type of the graph."""
    given = as_mapping(seeds, f"{function}: seeds")
    for node_type in given:
        graph.type_code(node_type)
    return [
        as_indices(given.get(t, np.zeros(0, np.int32)), f"{function}: seeds[{t!r}]", n)
        for t, n in graph.node_counts.items()
    ]
