"""Columns of any frame (pandas, polars, pyarrow, DuckDB, ...) or dict of arrays, as arrays."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Set
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
            lengths = {
                name: _length(values, function, f"{argument}[{name!r}]")
                for name, values in self._arrays.items()
            }
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
        if not isinstance(name, str):
            raise DTypeError(
                describe(self._function, argument, f"{name!r}", "the name of a column, a string")
            )
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


def _length(values: Any, function: str, argument: str) -> int:
    if not isinstance(values, str | bytes | Mapping | Set):
        try:
            return len(values)
        except TypeError:  # a scalar, a generator, an array without dimensions
            pass
    raise DTypeError(describe(function, argument, type(values).__name__, "a sequence of values"))


def _eager(data: Any, function: str, argument: str) -> nw.DataFrame[Any]:
    try:
        frame = nw.from_native(data)
    except nw.exceptions.DuplicateError as error:
        raise ConfigError(
            describe(function, argument, " ".join(str(error).split()), "a name for each column")
        ) from None
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
        length = _length(values, function, argument)
        try:
            array = np.asarray(values, dtype=object) if length else np.empty(0, dtype="U1")
        except (TypeError, ValueError, RuntimeError):
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
        return Column(_strings(series.fill_null("").to_numpy(), function, argument), null)
    if dtype.is_integer():
        return _from_array(series.fill_null(0).to_numpy(), function, argument, null)
    if isinstance(dtype, nw.Boolean):
        return Column(series.fill_null(False).to_numpy().astype(bool), null)
    return _from_array(series.to_numpy(), function, argument, null)


def _from_array(array: Array, function: str, argument: str, null: Bools | None = None) -> Column:
    if null is None:
        null = np.zeros(len(array), dtype=bool)
    if isinstance(array, np.ma.MaskedArray):
        null, array = null | np.ma.getmaskarray(array), array.data
    if array.dtype.kind == "O":
        return _from_objects(array, function, argument, null)
    if array.dtype.kind == "f":
        return Column(array.astype(np.float64), null | np.isnan(array))
    if array.dtype.kind == "M":
        return Column(_in_seconds(array, function, argument), null | np.isnat(array))
    if array.dtype.kind == "u" and len(array) and array.max() > np.iinfo(np.int64).max:
        raise DTypeError(describe(function, argument, "numbers above 2^63", "int64"))
    if array.dtype.kind in "iu":
        return Column(array.astype(np.int64), null)
    if array.dtype.kind in "Ub":
        return Column(array, null)
    if array.dtype.kind == "S":
        return Column(_decoded(array, function, argument), null)
    raise DTypeError(
        describe(function, argument, f"dtype {array.dtype}", "strings, numbers, bools or times")
    )


def _decoded(array: Array, function: str, argument: str) -> Array:
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError as error:
        raise DTypeError(
            describe(function, argument, f"bytes that are not text ({error})", "UTF-8")
        ) from None


def _strings(values: Array, function: str, argument: str) -> Array:
    """Return objects as a string array, which would drop NULs at the end without a word."""
    if any(value.endswith("\0") for value in values):
        raise DTypeError(
            describe(function, argument, "a string that ends with a NUL", "strings without")
        )
    return values.astype(str)


def _in_seconds(array: Array, function: str, argument: str) -> Array:
    seconds = array.astype("datetime64[s]")
    if np.datetime_data(array.dtype)[0] in ("Y", "M", "W", "D", "h", "m"):
        same = (seconds.astype(array.dtype) == array) | np.isnat(array)
        if not same.all():  # the product went beyond 64 bits
            raise DTypeError(
                describe(function, argument, f"a time in {array.dtype}", "times that fit seconds")
            )
    return seconds


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
    typed = _typed(present, kinds.pop(), function, argument)
    values = np.zeros(len(array), dtype=typed.dtype)
    values[~null] = typed
    return Column(values, null)


def _typed(present: Array, kind: str, function: str, argument: str) -> Array:
    if kind == "str":
        return _strings(present, function, argument)
    if kind == "bytes":
        return _decoded(present.astype("S"), function, argument)
    if kind == "time":
        return np.array([_utc(value) for value in present.tolist()], dtype="M8[s]")
    try:
        return np.array(present.tolist(), dtype={"int": np.int64, "bool": bool}.get(kind, float))
    except OverflowError:
        raise DTypeError(describe(function, argument, "numbers above 2^63", "int64")) from None


def _utc(value: Any) -> Any:
    """Return a time without its zone, as UTC."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value


def _kind(cls: type) -> str:
    """Return what a Python type counts as: numpy's own scalars count as what they wrap."""
    for name, bases in (
        ("bool", (bool, np.bool_)),
        ("str", (str,)),
        ("int", (int, np.integer)),
        ("float", (float, np.floating)),
        ("bytes", (bytes,)),
        ("time", (np.datetime64, datetime.date)),
    ):
        if issubclass(cls, bases):
            return name
    return ""
