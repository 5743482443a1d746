"""Heterogeneous graphs of any node types and relations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from . import _core, _html
from ._arrays import as_array, as_indices, as_mapping
from ._graph_report import GraphReport
from ._schema import Relation as Relation
from ._schema import Schema
from .config import thread_count, whole
from .errors import DTypeError, GraphError

Nodes = npt.NDArray[np.int32]


class HeteroGraph:
    """A frozen heterogeneous graph, validated once.

    Parameters
    ----------
    node_counts : mapping of str to int
        Nodes of each type; the order of the types is kept.
    edges : mapping of (source type, name, destination type) to (source, destination[, weight])
        Integer arrays of equal length with ids inside each type; float32 weights are optional.
        Duplicate edges and self loops are kept.
    threads : int, optional
        Threads that build the graph; all processors by default.

    Attributes
    ----------
    schema : Schema
        Node types and relations.
    node_counts : dict of str to int

    Raises
    ------
    GraphError
        A type that is not in `node_counts`, or duplicate names.
    IndexError
        An id outside its type; the message names relation, position and value.

    Notes
    -----
    Methods that change edges or nodes return a new graph. Each takes time proportional to the
    edges, and gives the same graph for any number of threads.

    Examples
    --------
    >>> import relweave as rw
    >>> g = rw.HeteroGraph(
    ...     {"user": 3, "item": 2}, {("user", "rates", "item"): ([0, 1, 2], [0, 0, 1])}
    ... )
    >>> g.edge_count(("user", "rates", "item"))
    3
    >>> g.add_reverse({("user", "rates", "item"): "rated_by"}).relations
    (('user', 'rates', 'item'), ('item', 'rated_by', 'user'))
    """

    def __init__(
        self,
        node_counts: Mapping[str, int],
        edges: Mapping[Relation, Sequence[npt.ArrayLike]],
        *,
        threads: int | None = None,
    ) -> None:
        as_mapping(edges, "HeteroGraph: edges")
        counts = as_mapping(node_counts, "HeteroGraph: node_counts")
        self.node_counts = {name: _node_count(name, count) for name, count in counts.items()}
        self.schema = Schema(tuple(node_counts), tuple(edges))
        arrays = []
        for relation, columns in edges.items():
            where = f"HeteroGraph: edges[{relation!r}]"
            _expect_columns(columns, where)
            source, destination = (_node_ids(c, relation) for c in columns[:2])
            weight = None
            if len(columns) == 3:
                weight = _weights(columns[2], f"{where}: weight")
            arrays.append((source, destination, weight))
        self._core = _core.HeteroGraph(
            schema=self.schema._core,
            node_counts=list(self.node_counts.values()),
            edges=arrays,
            threads=thread_count(threads, "HeteroGraph"),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the edges."""
        edges = {r: (*self.edges(r), self.weights(r)) for r in self.relations}
        given = {r: e if e[2] is not None else e[:2] for r, e in edges.items()}
        return type(self), (self.node_counts, given)

    @classmethod
    def _of(cls, core: _core.HeteroGraph) -> Self:
        graph = cls.__new__(cls)
        graph.schema = Schema._of(core.schema)
        names = enumerate(graph.schema.node_types)
        graph.node_counts = {name: core.node_count(code) for code, name in names}
        graph._core = core
        return graph

    @property
    def node_types(self) -> tuple[str, ...]:
        """The names of the node types, in order."""
        return self.schema.node_types

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The relations, in order."""
        return self.schema.relations

    def edge_count(self, relation: Relation) -> int:
        """Return the number of edges of one relation."""
        return self._core.edge_count(self.schema.relation_code(relation))

    def relations_into(self, destination: str) -> tuple[Relation, ...]:
        """Return the relations that end in a type, in the order in which aggregation adds them."""
        return self.schema.relations_into(destination)

    def edges(self, relation: Relation) -> tuple[Nodes, Nodes]:
        """Return source and destination of a relation's edges, by destination, then source."""
        source, destination, _ = self._core.edges(self.schema.relation_code(relation))
        return source, destination

    def weights(self, relation: Relation) -> npt.NDArray[np.float32] | None:
        """Return the weights of a relation's edges in the order of `edges`; None without any."""
        return self._core.edges(self.schema.relation_code(relation))[2]

    def type_code(self, node_type: str) -> int:
        """Return the position of a node type. Raises GraphError that lists the types."""
        return self.schema.type_code(node_type)

    def add_reverse(
        self, names: str | Mapping[Relation, str] = "_reverse", *, threads: int | None = None
    ) -> HeteroGraph:
        """Add reverse relations with the same weights after the existing relations.

        Parameters
        ----------
        names : str or mapping of relation to str
            What to append to the name of every relation (a, name, b) for its reverse; or the names
            of the reverses of some relations. With the same name where a and b differ, both are
            two directions of one relation, as `rw.nn.HeteroSAGE` can share weights between.
        threads : int, optional

        Raises
        ------
        GraphError
            The graph has no such relation, or has one of the new name.

        Examples
        --------
        >>> import relweave as rw
        >>> g = rw.HeteroGraph({"a": 2, "b": 1}, {("a", "to", "b"): ([1], [0])})
        >>> g.add_reverse().edges(("b", "to_reverse", "a"))[1]
        array([1], dtype=int32)
        """
        if isinstance(names, str):
            names = {r: r[1] + names for r in self.relations}
        pairs = [(self.schema.relation_code(r), name) for r, name in names.items()]
        count = thread_count(threads, "HeteroGraph.add_reverse")
        return self._of(_core.add_reverse(self._core, pairs, threads=count))

    def remove_duplicate_edges(
        self, weight: Literal["first", "sum", "max"] = "sum", *, threads: int | None = None
    ) -> HeteroGraph:
        """Keep one of the edges with the same relation, source and destination.

        `weight` says what the weight of an edge that stands for several is.
        """
        count = thread_count(threads, "HeteroGraph.remove_duplicate_edges")
        return self._of(_core.remove_duplicate_edges(self._core, weight=weight, threads=count))

    def remove_self_loops(self, *, threads: int | None = None) -> HeteroGraph:
        """Remove the edges of a node with itself, in relations from a type to itself."""
        count = thread_count(threads, "HeteroGraph.remove_self_loops")
        return self._of(_core.remove_self_loops(self._core, threads=count))

    def induced_subgraph(
        self, nodes: Mapping[str, npt.ArrayLike], *, threads: int | None = None
    ) -> HeteroGraph:
        """Return the graph of the given nodes and the edges between them.

        Parameters
        ----------
        nodes : mapping of str to array of int
            For every type the nodes to keep, each once: node k of the new graph is
            ``nodes[type][k]``.
        threads : int, optional

        Raises
        ------
        GraphError
            A type is missing or unknown, or a node is given twice.
        IndexError
            A node that the graph does not have.
        """
        where = "HeteroGraph.induced_subgraph"
        if set(nodes) != set(self.node_types):
            raise GraphError(
                f"{where}: nodes: got types {sorted(nodes)}, expected {sorted(self.node_types)}"
            )
        ids = [as_indices(nodes[t], f"{where}: nodes[{t!r}]", n) for t, n in self._sizes()]
        count = thread_count(threads, where)
        return self._of(_core.induced_subgraph(self._core, ids, threads=count))

    def top_neighbors(self, k: int, *, threads: int | None = None) -> HeteroGraph:
        """Keep of every destination's edges, relation by relation, the k with the highest weights.

        Of equal ones those with the lower source; edges of a relation without weights are equal.
        """
        where = "HeteroGraph.top_neighbors"
        limit = min(whole(k, where, "k"), np.iinfo(np.int32).max)
        count = thread_count(threads, where)
        return self._of(_core.top_neighbors(self._core, limit, threads=count))

    def report(self, *, threads: int | None = None) -> GraphReport:
        """Return sizes, degrees, cold nodes, duplicates and memory; it prints as tables."""
        count = thread_count(threads, "HeteroGraph.report")
        return GraphReport.of(self.relations, _core.graph_report(self._core, threads=count))

    def _sizes(self) -> list[tuple[str, int]]:
        return list(self.node_counts.items())

    def __repr__(self) -> str:
        nodes = ", ".join(f"{n} {t}" for t, n in self.node_counts.items())
        edges = sum(self.edge_count(r) for r in self.relations)
        return f"HeteroGraph({nodes}; {len(self.relations)} relations, {edges} edges)"

    def _repr_html_(self) -> str:
        types = _html.table(["node type", "nodes"], self._sizes())
        edges = [(" ".join(r), self.edge_count(r)) for r in self.relations]
        return types + _html.table(["relation", "edges"], edges)


def expect_graph(value: Any, where: str) -> HeteroGraph:
    """Return a graph. Raises DTypeError for anything else."""
    if not isinstance(value, HeteroGraph):
        raise DTypeError(f"{where}: got {type(value).__name__}, expected a HeteroGraph")
    return value


def _expect_columns(columns: Any, where: str) -> None:
    sized = isinstance(columns, Sized)
    if not sized or len(columns) not in (2, 3):
        got = f"{len(columns)} arrays" if sized else f"a {type(columns).__name__}"
        raise GraphError(
            f"{where}: got {got}, expected (source, destination) or (source, destination, weight)"
        )


def _node_count(node_type: str, count: Any) -> int:
    if not isinstance(count, int | np.integer) or isinstance(count, bool):
        raise GraphError(
            f"HeteroGraph: node_counts: got {count!r} nodes of type {node_type}, expected a whole "
            "number"
        )
    return int(count)


def _weights(values: Any, where: str) -> npt.NDArray[np.float32]:
    array = as_array(values, where)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "fiub"):
        raise GraphError(
            f"{where}: got shape {array.shape} of {array.dtype}, expected one-dimensional numbers"
        )
    with np.errstate(over="ignore"):  # the core refuses what float32 cannot hold
        return np.ascontiguousarray(array, np.float32)


def _node_ids(values: Any, relation: Relation) -> Nodes:
    array = as_array(values, f"HeteroGraph: edges[{relation!r}]")
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise GraphError(
            f"HeteroGraph: edges[{relation!r}]: got shape {array.shape} of {array.dtype}, expected "
            "one-dimensional integers"
        )
    limit = np.iinfo(np.int32)
    if array.size and (array.min() < limit.min or array.max() > limit.max):
        raise GraphError(
            f"HeteroGraph: edges[{relation!r}]: got ids beyond {limit.max}, expected 32-bit ids"
        )
    return np.ascontiguousarray(array, np.int32)
