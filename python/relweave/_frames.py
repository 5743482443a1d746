"""Columns of any frame (pandas, polars, pyarrow, DuckDB, ...) or dict of arrays, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, DTypeError, ShapeError, describe, near_names

Array = NDArray[Any]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Column:
    """Values of one column, and where they are missing (there the value is a filler)."""

    values: Array
    null: Bools

    def __len__(self) -> int:
        return len(self.values)


class Table:
    """Named columns of equal length, read one at a time and only when asked for."""

    def __init__(self, data: Any, function: str, argument: str) -> None:
        self._function = function
        self._argument = argument
        self._frame: nw.DataFrame[Any] | None = None
        self._arrays: dict[str, Any] = {}
        if isinstance(data, Mapping):
            self._arrays = {str(name): values for name, values in data.items()}
            self.names = tuple(self._arrays)
            lengths = {name: len(values) for name, values in self._arrays.items()}
            if len(set(lengths.values())) > 1:
                raise ShapeError(
                    describe(function, argument, f"lengths {lengths}", "columns of equal length")
                )
            self.length = next(iter(lengths.values()), 0)
        else:
            self._frame = _eager(data, function, argument)
            self.names = tuple(self._frame.columns)
            self.length = len(self._frame)

    def column(self, name: str, argument: str) -> Column:
        """Return a column; `argument` is what the caller calls it in messages."""
        if name not in self.names:
            raise ConfigError(
                describe(
                    self._function,
                    argument,
                    f"{name!r}",
                    f"one of the columns {', '.join(self.names) or '(none)'}",
                    near_names(name, self.names),
                )
            )
        where = f"{argument}={name!r}"
        if self._frame is not None:
            return _from_series(self._frame[name], self._function, where)
        return column_of(self._arrays[name], self._function, where)


def _eager(data: Any, function: str, argument: str) -> nw.DataFrame[Any]:
    try:
        frame = nw.from_native(data)
    except TypeError:
        raise DTypeError(
            describe(
                function,
                argument,
                type(data).__name__,
                "a frame (pandas, polars, pyarrow, ...) or a dict of arrays",
            )
        ) from None
    return frame.collect() if isinstance(frame, nw.LazyFrame) else frame


def column_of(values: Any, function: str, argument: str) -> Column:
    """Return any one-dimensional sequence, series or array as a Column."""
    try:
        series = nw.from_native(values, series_only=True)
    except TypeError:
        return _from_array(_one_dimensional(values, function, argument), function, argument)
    return _from_series(series, function, argument)


def _one_dimensional(values: Any, function: str, argument: str) -> Array:
    if isinstance(values, np.ndarray):
        array = values
    else:  # through object, so that NumPy does not turn [1, "a"] into strings
        try:
            array = np.asarray(values, dtype=object) if len(values) else np.empty(0, dtype="U1")
        except (TypeError, ValueError):
            raise DTypeError(
                describe(function, argument, type(values).__name__, "a sequence of values")
            ) from None
    if array.ndim != 1:
        raise ShapeError(describe(function, argument, f"shape {array.shape}", "one dimension"))
    return array


def _from_series(series: nw.Series[Any], function: str, argument: str) -> Column:
    null = series.is_null().to_numpy().astype(bool)
    dtype = series.dtype
    if isinstance(dtype, nw.Date):
        series, dtype = series.cast(nw.Datetime("us")), nw.Datetime("us")
    if isinstance(dtype, nw.Datetime):
        micros = series.dt.timestamp("us").fill_null(0).to_numpy().astype(np.int64)
        return Column((micros // 1_000_000).astype("datetime64[s]"), null)
    if isinstance(dtype, nw.Categorical | nw.Enum):
        series, dtype = series.cast(nw.String), nw.String()
    if isinstance(dtype, nw.String):
        return Column(series.fill_null("").to_numpy().astype(str), null)
    if dtype.is_integer():
        return _from_array(series.fill_null(0).to_numpy(), function, argument, null)
    if isinstance(dtype, nw.Boolean):
        return Column(series.fill_null(False).to_numpy().astype(bool), null)
    return _from_array(series.to_numpy(), function, argument, null)


def _from_array(array: Array, function: str, argument: str, null: Bools | None = None) -> Column:
    if null is None:
        null = np.zeros(len(array), dtype=bool)
    if array.dtype.kind == "O":
        return _from_objects(array, function, argument, null)
    if array.dtype.kind == "f":
        return Column(array.astype(np.float64), null | np.isnan(array))
    if array.dtype.kind == "M":
        return Column(array.astype("datetime64[s]"), null | np.isnat(array))
    if array.dtype.kind == "u" and len(array) and array.max() > np.iinfo(np.int64).max:
        raise DTypeError(describe(function, argument, "numbers above 2^63", "int64"))
    if array.dtype.kind in "iu":
        return Column(array.astype(np.int64), null)
    if array.dtype.kind in "Ub":
        return Column(array, null)
    if array.dtype.kind == "S":
        return Column(np.char.decode(array, "utf-8"), null)
    raise DTypeError(
        describe(function, argument, f"dtype {array.dtype}", "strings, numbers, bools or times")
    )


def _from_objects(array: Array, function: str, argument: str, null: Bools) -> Column:
    try:  # None by comparison, NaN and NaT because they differ from themselves
        null = null | (array == np.array(None)) | np.not_equal(array, array).astype(bool)
    except TypeError:  # pandas.NA refuses comparison
        null = null | np.array([str(value) == "<NA>" for value in array], dtype=bool)
    present = array[~null]
    kinds = {_kind(t) for t in set(map(type, present))}
    if not kinds:
        return Column(np.full(len(array), "", dtype="U1"), null)
    if kinds == {"int", "float"}:
        kinds = {"float"}
    if len(kinds) > 1 or "" in kinds:
        names = sorted({t.__name__ for t in set(map(type, present))})
        raise DTypeError(
            describe(
                function,
                argument,
                f"values of type {', '.join(names)}",
                "all strings, all whole numbers, all numbers, all bools or all times",
                "Convert the column first, for example with astype(str).",
            )
        )
    dtypes: dict[str, Any] = {
        "str": "U",
        "int": np.int64,
        "float": np.float64,
        "bool": bool,
        "time": "M8[s]",
    }
    typed = np.array(present.tolist(), dtype=dtypes[kinds.pop()])
    values = np.zeros(len(array), dtype=typed.dtype)
    values[~null] = typed
    return Column(values, null)


def _kind(cls: type) -> str:
    """Return what a Python type counts as: numpy's own scalars count as what they wrap."""
    for name, bases in (
        ("bool", (bool, np.bool_)),
        ("str", (str,)),
        ("int", (int, np.integer)),
        ("float", (float, np.floating)),
        ("time", (np.datetime64,)),
    ):
        if issubclass(cls, bases):
            return name
    is_naive_time = cls.__name__ in {"datetime", "date"}
    return "time" if is_naive_time else ""
