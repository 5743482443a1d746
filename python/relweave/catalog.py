"""The items that a model knows: ids, types, texts, metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _html
from ._columns import ColumnEncoder
from ._frames import Array, Column, Table
from ._ids import Codes, IdIndex, expect_unique, ids_of
from .errors import ConfigError, describe

__all__ = ["Catalog"]

_HERE = "Catalog"


class Catalog:
    """Items of any number of types, from any frame.

    Inside, items are grouped by type (types sorted by name, rows of a type in the given order);
    outside, everything speaks your ids.

    Parameters
    ----------
    items : frame or dict of arrays
        One row per item: pandas, polars, pyarrow, DuckDB and other frames, or a dict of arrays.
    id : str
        Column of item ids, strings or whole numbers, each once.
    type : str, optional
        Column of item types ("book", "song", ...). Without it all items are of type "item".
    text : str or sequence of str, optional
        Columns that an encoder reads, joined by ". " in this order; missing cells are left out.
        The first one also serves as the item's title in printed recommendations.
    metadata : sequence of str, optional
        Numeric or categorical columns that become features beside the text vectors.

    Attributes
    ----------
    ids : ndarray, shape (n_items,)
        External ids in the inner order.
    rows : ndarray of int, shape (n_items,)
        Row in the given frame of each item in the inner order.
    type_names : tuple of str
    type_offsets : ndarray of int, shape (n_types + 1,)
        Items of type t are ids[type_offsets[t]:type_offsets[t + 1]].
    columns : dict
        Names of the columns in the frame: "id", "type", "text", "metadata".

    Raises
    ------
    ConfigError
        Missing column, missing or duplicate ids, missing types, or no items.
    DTypeError
        Ids that are neither strings nor whole numbers.

    Examples
    --------
    >>> import relweave as rw
    >>> catalog = rw.Catalog(
    ...     {"id": ["s1", "b1", "b2"], "type": ["song", "book", "book"], "title": ["A", "B", "C"]},
    ...     id="id", type="type", text="title")
    >>> catalog
    Catalog(3 items: 2 book, 1 song)
    >>> catalog.ids.tolist()
    ['b1', 'b2', 's1']
    """

    def __init__(
        self,
        items: Any,
        *,
        id: str,
        type: str | None = None,
        text: str | Sequence[str] = (),
        metadata: str | Sequence[str] = (),
    ) -> None:
        table = Table(items, _HERE, "items")
        self.columns: dict[str, Any] = {
            "id": id,
            "type": type,
            "text": [text] if isinstance(text, str) else list(text),
            "metadata": [metadata] if isinstance(metadata, str) else list(metadata),
        }
        ids = ids_of(table.column(id, "id"), _HERE, "id")
        if len(ids) == 0:
            raise ConfigError(describe(_HERE, "items", "no row", "at least one item"))
        expect_unique(ids, _HERE, "id")
        names, codes = _types(table, type)
        self.rows = np.argsort(codes, kind="stable")
        self.ids = ids[self.rows]
        self.type_names = names
        self.type_offsets = np.searchsorted(codes[self.rows], np.arange(len(names) + 1))
        self._index = IdIndex(self.ids)
        self._texts = {name: table.column(name, "text") for name in self.columns["text"]}
        self._metadata = {name: table.column(name, "metadata") for name in self.columns["metadata"]}

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        counts = np.diff(self.type_offsets)
        parts = ", ".join(f"{c:,} {t}" for t, c in zip(self.type_names, counts, strict=True))
        return f"Catalog({len(self):,} items: {parts})"

    def _repr_html_(self) -> str:
        counts = np.diff(self.type_offsets).tolist()
        return _html.table(["type", "items"], list(zip(self.type_names, counts, strict=True)))

    @property
    def types(self) -> Codes:
        """Type code of every item, in the inner order; positions in `type_names`."""
        sizes = np.diff(self.type_offsets)
        return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    def find(self, ids: Array) -> Codes:
        """Return the inner position of every id, -1 for unknown ones."""
        return self._index.find(ids)

    @property
    def index(self) -> IdIndex:
        """Lookup from external ids to inner positions."""
        return self._index

    def texts(self) -> list[str]:
        """Return one text per item in the inner order: the text columns joined by ". ".

        Raises
        ------
        ConfigError
            When no text column was named.
        """
        if not self._texts:
            raise ConfigError(
                describe(
                    _HERE,
                    "text",
                    "no column",
                    "the columns that an encoder shall read",
                    "Pass text=[...] to Catalog, or vectors instead of an encoder.",
                )
            )
        columns = [_as_text(column)[self.rows].tolist() for column in self._texts.values()]
        return [". ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]

    def titles(self) -> list[str]:
        """Return the first text column in the inner order, or the ids as strings."""
        first = next(iter(self._texts.values()), None)
        titles = self.ids.astype(str) if first is None else _as_text(first)[self.rows]
        return [str(title) for title in titles]

    def metadata(self) -> dict[str, Column]:
        """Return the metadata columns in the inner order."""
        return {
            name: Column(column.values[self.rows], column.null[self.rows])
            for name, column in self._metadata.items()
        }

    def metadata_encoder(self) -> ColumnEncoder:
        """Learn how the metadata columns become feature columns."""
        return ColumnEncoder.learn(self._metadata, _HERE)


def _as_text(column: Column) -> Array:
    return np.where(column.null, "", column.values.astype(str))


def _types(table: Table, name: str | None) -> tuple[tuple[str, ...], Codes]:
    if name is None:
        return ("item",), np.zeros(table.length, dtype=np.int32)
    column = table.column(name, "type")
    missing = int(column.null.sum())
    if missing:
        raise ConfigError(
            describe(_HERE, "type", f"{missing} missing types", "a type in every row")
        )
    names, codes = np.unique(column.values.astype(str), return_inverse=True)
    if names[:1].tolist() == [""]:
        raise ConfigError(describe(_HERE, "type", "an empty type", "a name in every row"))
    return tuple(names.tolist()), codes.astype(np.int32)
