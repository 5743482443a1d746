"""Times of the library's own operations on this machine; `relweave bench` prints them."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core, nn, ops, sampling
from .config import number, thread_count, whole
from .errors import ConfigError, describe, near_names
from .graph import HeteroGraph, Relation
from .index import ExactIndex

__all__ = [
    "Measurement",
    "Profile",
    "ProfileEntry",
    "gather_bandwidth",
    "machine",
    "popular_graph",
    "profile",
    "round_trip",
    "run",
    "uniform_graph",
]

Floats = npt.NDArray[np.float32]
WIDTH = 128
"""Features of a row, in every case."""


@dataclass(frozen=True)
class Measurement:
    """The time of one case.

    Attributes
    ----------
    name : str
    seconds : float
        Median of the repeats.
    rate : float
        How many of `unit` are done per second.
    unit : str
    gather_share : float or None
        Bytes of gathered rows per second, over those that this machine gathers of the same rows in
        the same order without doing anything with them. Only of what gathers.
    """

    name: str
    seconds: float
    rate: float
    unit: str
    gather_share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def uniform_graph(nodes: int = 20_000, degree: int = 20, *, seed: int = 0) -> HeteroGraph:
    """Return 3 types of `nodes` nodes with all 9 relations, `degree` random neighbours in each.

    Examples
    --------
    >>> import relweave as rw
    >>> rw.bench.uniform_graph(10, 2)
    HeteroGraph(10 a, 10 b, 10 c; 9 relations, 180 edges)
    """
    rng = np.random.default_rng(seed)
    types = ("a", "b", "c")
    edges: dict[Relation, Sequence[npt.ArrayLike]] = {
        (source, "to", destination): (
            rng.integers(0, nodes, nodes * degree, dtype=np.int32),
            np.repeat(np.arange(nodes, dtype=np.int32), degree),
        )
        for source in types
        for destination in types
    }
    return HeteroGraph(dict.fromkeys(types, nodes), edges)


def popular_graph(scale: float = 0.2, *, seed: int = 0) -> HeteroGraph:
    """Return a graph of one relation with the sizes and skew of ogbn-products, times `scale`.

    At 1 it has 2,449,029 nodes and about 126 million edges. The degrees of destinations and the
    popularity of sources fall with rank^-0.45.

    Examples
    --------
    >>> import relweave as rw
    >>> graph = rw.bench.popular_graph(1e-4)
    >>> graph.node_counts, 12_000 < graph.edge_count(("node", "to", "node")) < 13_000
    ({'node': 245}, True)
    """
    skew, nodes, edges = 0.45, round(2_449_029 * scale), 126_167_309 * scale
    rng = np.random.default_rng(seed)
    scattered = np.arange(nodes, dtype=np.int64) * 7919 % nodes  # 7919 is prime
    share = (scattered + 1) / nodes
    degree = (edges / nodes * (1 - skew) * share**-skew + rng.random(nodes)).astype(np.int64)
    rank = (nodes * rng.random(degree.sum()) ** (1 / (1 - skew))).astype(np.int64) % nodes
    destination = np.repeat(np.arange(nodes, dtype=np.int32), degree)
    columns = ((rank * 7919 % nodes).astype(np.int32), destination)
    return HeteroGraph({"node": nodes}, {("node", "to", "node"): columns})


def machine() -> dict[str, Any]:
    """Return what times depend on: version, instruction set, processors and their load."""
    return {
        "version": _core.__version__,
        "isa": _core.show_config()["isa"],
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load": list(os.getloadavg()),
        "round_trip_s": round_trip(),
    }


class _Inputs:
    """What the cases read, made when the first of them does."""

    def __init__(self, threads: int | None, repeats: int, scale: float) -> None:
        self.threads, self.repeats, self.scale = threads, repeats, scale
        self._graph: HeteroGraph | None = None

    def size(self, full: int) -> int:
        return max(1, round(full * self.scale))

    @property
    def graph(self) -> HeteroGraph:
        if self._graph is None:
            self._graph = uniform_graph(self.size(20_000))
        return self._graph

    @property
    def edges(self) -> int:
        return sum(self.graph.edge_count(r) for r in self.graph.relations)

    def rows(self, count: int) -> Floats:
        return np.random.default_rng(1).random((count, WIDTH), np.float32)

    def features(self) -> dict[str, Floats]:
        return {t: self.rows(n) for t, n in self.graph.node_counts.items()}

    def seconds(self, call: Callable[[], Any]) -> float:
        """Return the median over the repeats, after one call that is not counted."""
        call()
        times = []
        for _ in range(self.repeats):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return median(times)


def _aggregate(i: _Inputs, messages: Floats) -> tuple[Floats, ops.AggregateCache]:
    out: tuple[Floats, ops.AggregateCache] = ops.relation_aggregate(
        i.graph, dst="a", messages=messages, return_cache=True, threads=i.threads
    )
    return out


def _edges_into_a(i: _Inputs) -> int:
    return sum(i.graph.edge_count(r) for r in i.graph.relations_into("a"))


def _relation_aggregate(i: _Inputs) -> Measurement:
    into = i.graph.relations_into("a")
    messages = i.rows(sum(i.graph.node_counts[r[0]] for r in into))
    seconds = i.seconds(lambda: _aggregate(i, messages))
    rate = _edges_into_a(i) / seconds
    share = rate * WIDTH * 4 / gather_bandwidth(i.graph, "a", messages, threads=i.threads)
    return Measurement("relation_aggregate", seconds, rate, "edges", share)


def _relation_aggregate_backward(i: _Inputs) -> Measurement:
    into = i.graph.relations_into("a")
    out, cache = _aggregate(i, i.rows(sum(i.graph.node_counts[r[0]] for r in into)))
    seconds = i.seconds(lambda: ops.relation_aggregate_backward(cache, out, threads=i.threads))
    return Measurement("relation_aggregate_backward", seconds, _edges_into_a(i) / seconds, "edges")


def _network(i: _Inputs) -> nn.HeteroSAGE:
    sizes = dict.fromkeys(i.graph.node_types, WIDTH)
    return nn.HeteroSAGE(i.graph.schema, sizes, hidden=WIDTH, layers=1, threads=i.threads)


def _hetero_sage(i: _Inputs) -> Measurement:
    net, features = _network(i), i.features()
    seconds = i.seconds(lambda: net(i.graph, features))
    return Measurement("hetero_sage", seconds, i.edges / seconds, "edges")


def _hetero_sage_backward(i: _Inputs) -> Measurement:
    net, features = _network(i), i.features()
    out = net(i.graph, features)
    seconds = i.seconds(lambda: net.backward(out))
    return Measurement("hetero_sage_backward", seconds, i.edges / seconds, "edges")


def _linear(i: _Inputs) -> Measurement:
    x, weight = i.rows(i.size(20_000)), np.ascontiguousarray(i.rows(384).T)
    seconds = i.seconds(lambda: ops.linear(x, weight, threads=i.threads))
    return Measurement("linear", seconds, 2 * len(x) * weight.size / seconds, "operations")


def _exact_index(i: _Inputs) -> Measurement:
    index, queries = ExactIndex(i.rows(i.size(100_000))), i.rows(i.size(1_000))
    seconds = i.seconds(lambda: index.search(queries, k=10, threads=i.threads))
    return Measurement("exact_index", seconds, len(queries) / seconds, "queries")


def _neighbor_sampler(i: _Inputs) -> Measurement:
    sampler = sampling.NeighborSampler(i.graph, [10, 10], threads=i.threads)
    seeds = {t: np.arange(i.size(1_024)) for t in i.graph.node_types}
    sample = sampler.sample(seeds)
    drawn = sum(len(e[0]) for layer in sample.layers for e in layer.edges.values())
    seconds = i.seconds(lambda: sampler.sample(seeds))
    return Measurement("neighbor_sampler", seconds, drawn / seconds, "edges")


_CASES: dict[str, Callable[[_Inputs], Measurement]] = {
    "relation_aggregate": _relation_aggregate,
    "relation_aggregate_backward": _relation_aggregate_backward,
    "hetero_sage": _hetero_sage,
    "hetero_sage_backward": _hetero_sage_backward,
    "linear": _linear,
    "exact_index": _exact_index,
    "neighbor_sampler": _neighbor_sampler,
}


@dataclass(frozen=True)
class ProfileEntry:
    """What one kind of work took.

    Attributes
    ----------
    name : str
        An operation, or what a training does besides: `training_step` is what its operations leave
        over, `wait_for_batch` what it waits for a batch that is not ready.
    beside : bool
        Done on another thread than the one that profiles, as batches are that a training needs
        next.
    calls : int
    seconds : float
        Without what is listed under another name.
    """

    name: str
    beside: bool
    calls: int
    seconds: float


@dataclass
class Profile:
    """Where the time went; printed, it is a table.

    Attributes
    ----------
    seconds : float
        From beginning to end.
    entries : list of ProfileEntry
        Longest first; filled at the end.
    """

    seconds: float = 0.0
    entries: list[ProfileEntry] = field(default_factory=list)

    def __str__(self) -> str:
        rows = [("work", "calls", "seconds", "share")]
        for e in self.entries:
            share = "beside" if e.beside else f"{e.seconds / self.seconds:.1%}"
            rows.append((e.name, f"{e.calls:,}", f"{e.seconds:.3f}", share))
        here = sum(e.seconds for e in self.entries if not e.beside)
        rest = self.seconds - here
        rows.append(("everything else", "", f"{rest:.3f}", f"{rest / self.seconds:.1%}"))
        widths = [max(len(row[c]) for row in rows) for c in range(4)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        )


@contextmanager
def profile() -> Iterator[Profile]:
    """Collect where the time of the library's work on the CPU goes.

    Yields
    ------
    Profile
        Complete when the block ends.

    Raises
    ------
    ConfigError
        Within another profile: there is one of the process.

    Examples
    --------
    >>> import numpy as np
    >>> import relweave as rw
    >>> with rw.bench.profile() as found:
    ...     x = rw.ops.linear(np.ones((100, 8), "f4"), np.ones((8, 4), "f4"))
    >>> [(entry.name, entry.calls) for entry in found.entries]
    [('linear', 1)]
    """
    found = Profile()
    _core.start_profile()
    begin = time.perf_counter()
    try:
        yield found
    finally:
        found.seconds = time.perf_counter() - begin
        found.entries = [ProfileEntry(*entry) for entry in _core.stop_profile()]


def round_trip() -> float:
    """Return the seconds that a cache line takes from one thread to another and back.

    The best of several windows: some 5e-8 where processors share a cache, several times that where
    they do not. On a virtual machine it may change from minute to minute, and with it the time of
    all that threads hand to each other.

    Examples
    --------
    >>> import relweave as rw
    >>> 0 < rw.bench.round_trip() < 1
    True
    """
    return _core.round_trip()


def gather_bandwidth(
    graph: HeteroGraph, dst: str, messages: Floats, *, threads: int | None = None
) -> float:
    """Return the bytes per second at which this machine reads what an aggregation reads.

    Parameters
    ----------
    graph : HeteroGraph
    dst : str
        The type that receives.
    messages : (rows, d) array
        The messages of all relations into `dst`, as `rw.ops.relation_aggregate` takes them; d is a
        multiple of 128.
    threads : int, optional

    Returns
    -------
    The best of three runs that load and add the rows of all edges, in the order of the edges.
    """
    where = "gather_bandwidth"
    if messages.shape[1] % 128:
        got = f"{messages.shape[1]} columns"
        raise ConfigError(describe(where, "messages", got, "a multiple of 128"))
    base, sources, destinations = 0, [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    for relation in graph.relations_into(dst):
        source, destination = graph.edges(relation)
        sources.append(source + np.int32(base))
        destinations.append(destination)
        base += graph.node_counts[relation[0]]
    rows = np.concatenate(sources)
    if not rows.size:
        raise ConfigError(describe(where, "graph", f"no edge into {dst}", "at least one"))
    if len(sources) > 2:  # by destination, then relation, as the aggregation walks them
        rows = rows[np.argsort(np.concatenate(destinations), kind="stable")]
    return _core.gather_bandwidth(messages, rows, threads=thread_count(threads, where))


def run(
    only: Sequence[str] | None = None,
    *,
    threads: int | None = None,
    repeats: int = 5,
    scale: float = 1.0,
    done: Callable[[Measurement], Any] | None = None,
) -> list[Measurement]:
    """Measure the library's operations; takes about ten seconds at full size.

    Parameters
    ----------
    only : sequence of str, optional
        Names of cases; by default all.
    threads : int, optional
    repeats : int
    scale : float
        Times the full size: graphs of 3 x 20,000 nodes and 3.6 million edges, 128 features, an
        index of 100,000 vectors.
    done : callable, optional
        Called with each measurement as it is there.

    Raises
    ------
    ConfigError
        An unknown case, or a number out of range.

    Examples
    --------
    >>> import relweave as rw
    >>> (linear,) = rw.bench.run(["linear"], repeats=1, scale=0.01)
    >>> linear.name, linear.unit, linear.seconds > 0
    ('linear', 'operations', True)
    """
    here = "bench"
    names = list(_CASES) if only is None else list(only)
    for name in names:
        if name not in _CASES:
            expected = f"some of {', '.join(_CASES)}"
            raise ConfigError(
                describe(here, "only", repr(name), expected, near_names(name, list(_CASES)))
            )
    thread_count(threads, here)
    inputs = _Inputs(
        threads, whole(repeats, here, "repeats"), number(scale, here, "scale", positive=True)
    )
    found = []
    for name in names:
        found.append(_CASES[name](inputs))
        if done:
            done(found[-1])
    return found
