"""Heterogeneous graphs of any node types and relations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core, _html
from .errors import GraphError

Relation = tuple[str, str, str]
"""(source type, relation name, destination type): messages flow from source to destination."""


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

    Raises
    ------
    GraphError
        A type that is not in `node_counts`, or duplicate names.
    IndexError
        An id outside its type; the message names relation, position and value.

    Examples
    --------
    >>> import relweave as rw
    >>> g = rw.HeteroGraph(
    ...     {"user": 3, "item": 2}, {("user", "rates", "item"): ([0, 1, 2], [0, 0, 1])}
    ... )
    >>> g.edge_count(("user", "rates", "item"))
    3
    """

    def __init__(
        self,
        node_counts: Mapping[str, int],
        edges: Mapping[Relation, Sequence[npt.ArrayLike]],
        *,
        threads: int | None = None,
    ) -> None:
        self.node_counts = {name: int(count) for name, count in node_counts.items()}
        self.relations: tuple[Relation, ...] = tuple(edges)
        codes = {name: code for code, name in enumerate(self.node_counts)}
        relations = []
        arrays = []
        for relation, columns in edges.items():
            if relation[0] not in codes or relation[2] not in codes:
                raise GraphError(
                    f"HeteroGraph: edges: got relation {relation!r}, expected (source type, name, "
                    f"destination type) with types among {', '.join(codes)}"
                )
            if len(columns) not in (2, 3):
                raise GraphError(
                    f"HeteroGraph: edges[{relation!r}]: got {len(columns)} arrays, expected "
                    "(source, destination) or (source, destination, weight)"
                )
            source, destination = (_node_ids(c, relation) for c in columns[:2])
            weight = np.ascontiguousarray(columns[2], np.float32) if len(columns) == 3 else None
            relations.append((codes[relation[0]], relation[1], codes[relation[2]]))
            arrays.append((source, destination, weight))
        self._core = _core.HeteroGraph(
            node_types=list(self.node_counts),
            node_counts=list(self.node_counts.values()),
            relations=relations,
            edges=arrays,
            threads=threads or 0,
        )

    @property
    def node_types(self) -> tuple[str, ...]:
        """The names of the node types, in order."""
        return tuple(self.node_counts)

    def edge_count(self, relation: Relation) -> int:
        """Return the number of edges of one relation."""
        return int(self._core.edge_count(self._relation_code(relation)))

    def relations_into(self, destination: str) -> tuple[Relation, ...]:
        """Return the relations that end in a type, in the order in which aggregation adds them."""
        self.type_code(destination)
        return tuple(r for r in self.relations if r[2] == destination)

    def edges(self, relation: Relation) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return source and destination of a relation's edges, by destination, then source."""
        self._relation_code(relation)
        into = self.relations_into(relation[2])
        offsets, cols, count, _, _ = self._core.csr(self.type_code(relation[2]))
        degrees = np.diff(offsets).reshape(-1, count)[:, into.index(relation)]
        rows = np.arange(len(degrees)) * count + into.index(relation)
        starts = np.repeat(offsets[rows], degrees)
        within = np.arange(degrees.sum()) - np.repeat(np.cumsum(degrees) - degrees, degrees)
        base = sum(self.node_counts[r[0]] for r in into[: into.index(relation)])
        destination = np.repeat(np.arange(len(degrees), dtype=np.int32), degrees)
        return (cols[starts + within] - base).astype(np.int32), destination

    def type_code(self, node_type: str) -> int:
        """Return the position of a node type. Raises GraphError that lists the types."""
        if node_type not in self.node_counts:
            raise GraphError(
                f"HeteroGraph: got node type {node_type!r}, expected one of "
                f"{', '.join(self.node_counts)}"
            )
        return self.node_types.index(node_type)

    def _relation_code(self, relation: Relation) -> int:
        if relation not in self.relations:
            raise GraphError(
                f"HeteroGraph: got relation {relation!r}, expected one of "
                f"{', '.join(map(repr, self.relations))}"
            )
        return self.relations.index(relation)

    def __repr__(self) -> str:
        nodes = ", ".join(f"{n} {t}" for t, n in self.node_counts.items())
        edges = sum(self.edge_count(r) for r in self.relations)
        return f"HeteroGraph({nodes}; {len(self.relations)} relations, {edges} edges)"

    def _repr_html_(self) -> str:
        nodes = _html.table(["node type", "nodes"], list(self.node_counts.items()))
        rows = [[*relation, self.edge_count(relation)] for relation in self.relations]
        return nodes + _html.table(["from", "relation", "to", "edges"], rows)


def _node_ids(values: Any, relation: Relation) -> npt.NDArray[np.int32]:
    array = np.asarray(values)
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
