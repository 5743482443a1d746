"""External ids (strings or int64) to dense positions and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import expect_host
from ._frames import Array, Column, column_of
from .errors import ConfigError, DTypeError, ShapeError, describe

Codes = NDArray[np.int32]

_KINDS = {"U": "strings", "i": "whole numbers"}


def ids_of(column: Column, function: str, argument: str) -> Array:
    """Return a column as ids: no nulls, strings or int64.

    Raises
    ------
    ConfigError
        For missing ids.
    DTypeError
        For ids that are neither strings nor whole numbers.
    """
    missing = int(column.null.sum())
    if missing:
        raise ConfigError(
            describe(
                function,
                argument,
                f"{missing} missing ids, the first in row {int(column.null.argmax())}",
                "an id in every row",
                "Drop these rows first.",
            )
        )
    if column.values.dtype.kind not in _KINDS:
        raise DTypeError(
            describe(
                function,
                argument,
                f"ids of type {column.values.dtype}",
                "strings or whole numbers",
                "Convert the column, for example with astype(str).",
            )
        )
    if _has_surrogates(column.values):
        raise DTypeError(
            describe(function, argument, "a string with a lone surrogate", "text that UTF-8 holds")
        )
    return column.values


def _has_surrogates(ids: Array) -> bool:
    if ids.dtype.kind != "U" or ids.size == 0:
        return False
    points = np.ascontiguousarray(ids).view(np.uint32)
    return bool(((points >= 0xD800) & (points <= 0xDFFF)).any())


def as_ids(values: Any, function: str, argument: str) -> Array:
    """Return ids that a caller passed: a sequence, series or array of strings or ints."""
    if isinstance(values, str | bytes | int | np.generic):
        raise DTypeError(
            describe(function, argument, f"{values!r}", "a sequence of ids", "Write [id].")
        )
    return ids_of(column_of(values, function, argument), function, argument)


class IdIndex:
    """Positions of unique ids.

    Examples
    --------
    >>> IdIndex(np.array(["b", "a"])).find(np.array(["a", "x", "b"]))
    array([ 1, -1,  0], dtype=int32)
    """

    def __init__(self, ids: Array) -> None:
        self.ids = ids
        self._order = np.argsort(ids, kind="stable").astype(np.int32)
        self._sorted = ids[self._order]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kind(self) -> str:
        """What the ids are, in words."""
        return _KINDS[self.ids.dtype.kind]

    def find(self, ids: Array) -> Codes:
        """Return the position of every id, -1 for unknown ones."""
        if len(self.ids) == 0 or len(ids) == 0 or ids.dtype.kind != self.ids.dtype.kind:
            return np.full(len(ids), -1, dtype=np.int32)
        at = np.minimum(np.searchsorted(self._sorted, ids), len(self.ids) - 1)
        return np.where(self._sorted[at] == ids, self._order[at], -1).astype(np.int32)

    def expect_kind(self, ids: Array, function: str, argument: str, owner: str) -> None:
        """Raise DTypeError when `ids` are of another kind, which would all be unknown."""
        if len(ids) and len(self.ids) and ids.dtype.kind != self.ids.dtype.kind:
            raise DTypeError(
                describe(
                    function,
                    argument,
                    f"ids that are {_KINDS[ids.dtype.kind]}",
                    f"{self.kind}, like the ids of the {owner}",
                    "Convert one of the two.",
                )
            )

    def expect(self, ids: Array, function: str, argument: str, owner: str) -> Codes:
        """Return positions; raise ConfigError when an id is unknown."""
        self.expect_kind(ids, function, argument, owner)
        codes = self.find(ids)
        unknown = codes < 0
        if unknown.any():
            examples = ", ".join(repr(x) for x in ids[unknown][:3].tolist())
            raise ConfigError(
                describe(
                    function,
                    argument,
                    f"{int(unknown.sum())} unknown ids such as {examples}",
                    f"ids of the {owner}",
                )
            )
        return codes


def expect_unique(ids: Array, function: str, argument: str) -> None:
    """Raise ConfigError naming ids that occur twice."""
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != len(ids):
        twice = unique[counts > 1]
        raise ConfigError(
            describe(
                function,
                argument,
                f"{len(ids) - len(unique)} duplicate ids such as {twice[0].item()!r}",
                "every id once",
                "Drop or merge these rows first.",
            )
        )


def external(ids: Array, codes: NDArray[np.integer[Any]]) -> Array:
    """Return external ids for dense ones; where the code is -1: None, or -1 among int ids.

    Examples
    --------
    >>> external(np.array(["a", "b"]), np.array([[1, -1]]))
    array([['b', None]], dtype=object)
    """
    if ids.dtype.kind == "i":
        known: Array = np.where(codes >= 0, ids[np.maximum(codes, 0)], -1)
        return known
    padded = np.empty(len(ids) + 1, dtype=object)  # the last one, None, is what -1 takes
    padded[:-1] = ids
    found: Array = padded[codes]
    return found


def matrix(
    values: Any, function: str, argument: str, rows: int | None = None, what: str = "row"
) -> NDArray[np.float32]:
    """Return features as a float32 matrix, after checking shape, type and finiteness."""
    expect_host(values, f"{function}: {argument}")
    if isinstance(values, np.ma.MaskedArray):  # masked values are missing ones
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DTypeError(
            describe(
                function, argument, f"{type(values).__name__} ({error})", "a matrix of numbers"
            )
        ) from None
    if array.dtype.kind not in "fiub":
        raise DTypeError(describe(function, argument, f"dtype {array.dtype}", "numbers"))
    if array.ndim != 2 or array.shape[1] == 0 or (rows is not None and array.shape[0] != rows):
        expected = f"({'n' if rows is None else rows}, d), one row per {what}"
        raise ShapeError(describe(function, argument, f"shape {array.shape}", f"shape {expected}"))
    with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
        result = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(result)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ConfigError(
            describe(
                function,
                argument,
                f"{result[row, column]} in row {row}, column {column}",
                "finite numbers",
                "Replace missing values first.",
            )
        )
    return result
