"""What to know about a graph before training on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import _html
from ._schema import Relation


@dataclass(frozen=True)
class DegreeSummary:
    """Degrees of the nodes at one end of a relation, those without edges included.

    Attributes
    ----------
    mean : float
    max : int
    quantiles : tuple of int
        Degrees that 50, 90, 99 and 99.9 % of the nodes do not exceed.
    isolated_share : float
        Share of the nodes that have no edge of the relation.
    """

    mean: float
    max: int
    quantiles: tuple[int, int, int, int]
    isolated_share: float


@dataclass(frozen=True)
class NodeTypeReport:
    """One node type.

    Attributes
    ----------
    name : str
    nodes : int
    isolated_share : float
        Share of the nodes without an edge of any relation, in either direction.
    """

    name: str
    nodes: int
    isolated_share: float


@dataclass(frozen=True)
class RelationReport:
    """One relation.

    Attributes
    ----------
    relation : (source type, name, destination type)
    edges : int
    duplicates : int
        Edges beyond the first with the same ends.
    self_loops : int
    weighted : bool
    incoming, outgoing : DegreeSummary
        Of the destinations and of the sources.
    reciprocity : float or None
        Share of edges whose reverse is in the relation of the same name in the other direction: 1
        for an undirected graph. None where there is no such relation, or no edge.
    """

    relation: Relation
    edges: int
    duplicates: int
    self_loops: int
    weighted: bool
    incoming: DegreeSummary
    outgoing: DegreeSummary
    reciprocity: float | None

    @classmethod
    def of(cls, relation: Relation, values: Mapping[str, Any]) -> Self:
        """Read what the core reports."""
        degrees = {end: DegreeSummary(**values[end]) for end in ("incoming", "outgoing")}
        return cls(relation=relation, **{**values, **degrees})


@dataclass(frozen=True)
class GraphReport:
    """Sizes, hubs, cold nodes and memory of a graph.

    Attributes
    ----------
    nodes, edges : int
    memory_bytes : int
        Rows, transposes and weights.
    node_types : tuple of NodeTypeReport
    relations : tuple of RelationReport
    """

    nodes: int
    edges: int
    memory_bytes: int
    node_types: tuple[NodeTypeReport, ...]
    relations: tuple[RelationReport, ...]

    @classmethod
    def of(cls, relations: tuple[Relation, ...], values: Mapping[str, Any]) -> Self:
        """Read what the core reports."""
        return cls(
            nodes=values["nodes"],
            edges=values["edges"],
            memory_bytes=values["memory_bytes"],
            node_types=tuple(NodeTypeReport(**t) for t in values["node_types"]),
            relations=tuple(map(RelationReport.of, relations, values["relations"])),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, plain values only."""
        return asdict(self)

    def __str__(self) -> str:
        types, relations = (_html.text_table(*table) for table in self._tables())
        return f"{_html.text_pairs(self._sizes())}\n\n{types}\n\n{relations}"

    def _repr_html_(self) -> str:
        tables = (_html.table(*table) for table in self._tables())
        return _html.pairs(self._sizes()) + "".join(tables)

    def _sizes(self) -> dict[str, int]:
        return {"nodes": self.nodes, "edges": self.edges, "memory_bytes": self.memory_bytes}

    def _tables(self) -> tuple[_html.Table, _html.Table]:
        types: list[list[Any]] = [
            [t.name, t.nodes, _percent(t.isolated_share)] for t in self.node_types
        ]
        relations: list[list[Any]] = [
            [
                " ".join(r.relation),
                r.edges,
                r.duplicates,
                r.self_loops,
                f"{r.incoming.mean:.2f}",
                r.incoming.quantiles[2],
                r.incoming.max,
                _percent(r.incoming.isolated_share),
                f"{r.outgoing.mean:.2f}",
                r.outgoing.max,
                _percent(r.outgoing.isolated_share),
                None if r.reciprocity is None else _percent(r.reciprocity),
            ]
            for r in self.relations
        ]
        head = ["relation", "edges", "duplicates", "self loops", "in mean", "in 99 %", "in max"]
        head += ["without in", "out mean", "out max", "without out", "reciprocal"]
        return (["node type", "nodes", "isolated"], types), (head, relations)


@dataclass(frozen=True)
class CoInteractionReport:
    """What became of events and pairs of items, and how the links spread over the items.

    Every event is in `weak_left_out`, `repeats_merged` or `over_cap`, or makes `pairs` with the
    user's other items. The pairs join into `links_found`, of which those `below_min_count` and
    those `beyond_top` go; `links` remain.

    Attributes
    ----------
    events : int
        With the catalogue's items.
    events_dropped : int or None
        Left out, because the catalogue lacks their items; None for the graph of a fitted
        `Recommender`, whose `fit_report_` tells it.
    weak_left_out : int
        Weak ones, where `strong_only` is set.
    repeats_merged : int
        The user had the item already.
    over_cap : int
        Beyond the user's `max_history` most recent ones.
    users, single_item_users : int
        With events; with those of one item, which make no pair.
    pairs : int
        Summed over the users.
    links_found : int
        Different pairs.
    below_min_count : int
    beyond_top : int
        Among the `top_neighbors` of neither end.
    links : int
    planned_bytes : int
        Highest memory that building counted on, beside the log; without a `memory_limit`, one under
        which nothing goes through files. This and the next three tell how the graph was built, not
        what it is: they do not count in comparisons, and are 0 in the graph of a loaded model.
    log_passes : int
        Times the log's users were read to find their histories.
    runs : int
        Parts of the users whose counts went through files; 0 where all fit the memory limit.
    spilled_bytes : int
        Written to files.
    items, isolated_items : int
        Of the catalogue; without a link.
    median_degree, largest_degree : int
        Links per item.
    """

    events: int
    events_dropped: int | None
    weak_left_out: int
    repeats_merged: int
    over_cap: int
    users: int
    single_item_users: int
    pairs: int
    links_found: int
    below_min_count: int
    beyond_top: int
    links: int
    planned_bytes: int = field(compare=False)
    log_passes: int = field(compare=False)
    runs: int = field(compare=False)
    spilled_bytes: int = field(compare=False)
    items: int
    isolated_items: int
    median_degree: int
    largest_degree: int

    @classmethod
    def of(
        cls, counts: Mapping[str, int], degrees: NDArray[np.int64], events_dropped: int | None
    ) -> Self:
        """Join what the core counted with the degrees of all items."""
        return cls(
            **counts,
            events_dropped=events_dropped,
            items=len(degrees),
            isolated_items=int((degrees == 0).sum()),
            median_degree=int(np.median(degrees)),
            largest_degree=int(degrees.max(initial=0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    def __str__(self) -> str:
        return _html.text_pairs(self.shown())

    def _repr_html_(self) -> str:
        return _html.pairs(self.shown(), "co-interaction graph")

    def shown(self) -> dict[str, Any]:
        return {name: value for name, value in self.to_dict().items() if value is not None}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
