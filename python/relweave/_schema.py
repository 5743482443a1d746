"""Names of node types and relations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from ._core import Schema as CoreSchema
from .errors import GraphError

Relation = tuple[str, str, str]
"""(source type, relation name, destination type): messages flow from source to destination."""


@dataclass(frozen=True, init=False)
class Schema:
    """Node types and relations: what layers are sized by.

    Parameters
    ----------
    node_types : iterable of str
    relations : iterable of (source type, name, destination type)
        Messages flow from source to destination.

    Raises
    ------
    GraphError
        A name that is empty or given twice, or a relation between types that do not exist.

    Examples
    --------
    >>> import relweave as rw
    >>> schema = rw.Schema(["user", "item"], [("user", "rates", "item")])
    >>> schema.relations_into("item")
    (('user', 'rates', 'item'),)
    """

    node_types: tuple[str, ...]
    relations: tuple[Relation, ...]
    _core: CoreSchema = field(repr=False, compare=False)

    def __init__(self, node_types: Iterable[str], relations: Iterable[Sequence[str]]) -> None:
        types = tuple(node_types)
        codes = {name: code for code, name in enumerate(types)}
        named: list[Relation] = []
        for relation in relations:
            if len(relation) != 3 or relation[0] not in codes or relation[2] not in codes:
                raise GraphError(
                    f"Schema: relations: got {relation!r}, expected (source type, name, "
                    f"destination type) with types among {', '.join(codes)}"
                )
            named.append((relation[0], relation[1], relation[2]))
        core = CoreSchema(list(types), [(codes[s], name, codes[d]) for s, name, d in named])
        for attribute, value in (
            ("node_types", types),
            ("relations", tuple(named)),
            ("_core", core),
        ):
            object.__setattr__(self, attribute, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the names."""
        return type(self), (self.node_types, self.relations)

    @classmethod
    def _of(cls, core: CoreSchema) -> Self:
        types = core.node_types
        return cls(types, [(types[s], name, types[d]) for s, name, d in core.relations])

    def relations_into(self, destination: str) -> tuple[Relation, ...]:
        """Return the relations that end in a type, in the order in which aggregation adds them."""
        self.type_code(destination)
        return tuple(r for r in self.relations if r[2] == destination)

    def type_code(self, node_type: str) -> int:
        """Return the position of a node type. Raises GraphError that lists the types."""
        if node_type not in self.node_types:
            raise GraphError(
                f"Schema: got node type {node_type!r}, expected one of {', '.join(self.node_types)}"
            )
        return self.node_types.index(node_type)

    def relation_code(self, relation: Relation) -> int:
        """Return the position of a relation. Raises GraphError that lists the relations."""
        if relation not in self.relations:
            raise GraphError(
                f"Schema: got relation {relation!r}, expected one of "
                f"{', '.join(map(repr, self.relations))}"
            )
        return self.relations.index(relation)
