"""Times of any kind as whole seconds since 1970 (UTC)."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._frames import Array, Column
from .errors import ConfigError, DTypeError, describe

Seconds = NDArray[np.int64]

DAY = 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
_FAR = 100_000_000_000  # seconds: year 5138; larger numbers are milliseconds or finer


def seconds_of(column: Column, function: str, argument: str) -> Seconds:
    """Return datetimes, ISO 8601 strings or epoch seconds as int64 seconds."""
    missing = int(column.null.sum())
    if missing:
        raise ConfigError(
            describe(
                function,
                argument,
                f"{missing} missing times, the first in row {int(column.null.argmax())}",
                "a time in every row",
            )
        )
    values = column.values
    kind = values.dtype.kind
    if kind == "M":
        return values.astype("datetime64[s]").astype(np.int64)
    if kind == "U":
        return _from_text(values, function, argument)
    if kind not in "if":
        raise DTypeError(
            describe(
                function,
                argument,
                f"dtype {values.dtype}",
                "datetimes, ISO 8601 strings or seconds since 1970",
            )
        )
    far = (values > _FAR) | (values < -_FAR)
    if far.any():
        raise ConfigError(
            describe(
                function,
                argument,
                f"{values[far.argmax()]}",
                "epoch seconds",
                "Divide milliseconds by 1000, nanoseconds by 10**9.",
            )
        )
    return np.floor(values).astype(np.int64)


def _from_text(values: Array, function: str, argument: str) -> Seconds:
    """Parse ISO 8601: date, or date and time, with or without Z or an offset such as +02:00."""
    values = np.char.strip(values)

    def refuse(got: str) -> ConfigError:
        expected = "ISO 8601 times such as 2024-05-31T18:00:00 or 2024-05-31T18:00:00+02:00"
        return ConfigError(describe(function, argument, got, expected))

    # NumPy reads "", "NaT", "now" and "today" as times, too.
    words = ~np.char.isdigit(np.char.lstrip(values, "+-").astype("U1"))
    if words.any():
        raise refuse(f"{values[words.argmax()].item()!r} in row {int(words.argmax())}")
    try:
        local, offset = _split_offsets(values)
        return local.astype("datetime64[s]").astype(np.int64) - offset
    except ValueError as error:
        raise refuse(str(error)) from None


def _split_offsets(values: Array) -> tuple[Array, Seconds]:
    """Return the strings without their time zone, and the zone's seconds east of UTC."""
    offset = np.zeros(len(values), dtype=np.int64)
    if not len(values):
        return values, offset
    text = values.copy()
    chars = text.view("U1").reshape(len(text), -1)  # columns are characters; the end is ''
    length = np.char.str_len(values)
    rows = np.flatnonzero(np.char.endswith(values, "Z"))
    chars[rows, length[rows] - 1] = ""
    for width, minutes_at in ((6, 4), (5, 3)):  # +02:00, +0200
        candidates = np.flatnonzero(length >= len("2024-05-31T18:00") + width)
        sign = chars[candidates, length[candidates] - width]
        rows = candidates[(sign == "+") | (sign == "-")]
        if len(rows) == 0:
            continue
        at = length[rows] - width

        def number(start: int, rows: Array = rows, at: Array = at) -> Seconds:
            pair = np.char.add(chars[rows, at + start], chars[rows, at + start + 1])
            return pair.astype(np.int64)

        hours, minutes = number(1), number(minutes_at)
        if (hours > 23).any() or (minutes > 59).any():
            raise ValueError("a zone of more than 23 hours or 59 minutes")
        seconds = hours * 3600 + minutes * 60
        offset[rows] = np.where(chars[rows, at] == "-", -seconds, seconds)
        for place in range(width):
            chars[rows, at + place] = ""
        length[rows] = 0
    return text, offset


def moment(value: Any, function: str, argument: str) -> int:
    """Return one time (string, datetime, date, datetime64 or epoch seconds) as seconds."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return int(value.timestamp() // 1)
    if isinstance(value, bool) or not isinstance(
        value, str | int | float | np.integer | np.floating | datetime.date | np.datetime64
    ):
        raise DTypeError(
            describe(function, argument, type(value).__name__, "a time, as in the log")
        )
    if isinstance(value, datetime.date | np.datetime64):
        value = np.array(value, dtype="datetime64[s]")[()]
    array = np.array([value])
    column = Column(array, np.array([bool(value != value)]))  # NaN and NaT are missing
    return int(seconds_of(column, function, argument)[0])


def duration(value: Any, function: str, argument: str) -> int:
    """Return "14d", "2w", "36h", a timedelta or a number of seconds as seconds.

    Examples
    --------
    >>> duration("14d", "f", "last")
    1209600
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", value)
        if match is None:
            raise ConfigError(
                describe(function, argument, repr(value), "a duration such as '14d', '2w', '36h'")
            )
        seconds = int(float(match[1]) * _UNITS[match[2]])
    else:
        number = value.total_seconds() if isinstance(value, datetime.timedelta) else value
        if not isinstance(number, int | float | np.integer | np.floating) or isinstance(
            number, bool
        ):
            raise DTypeError(
                describe(function, argument, type(value).__name__, "a duration such as '14d'")
            )
        seconds = int(number) if -_FAR < number < _FAR else -1  # NaN is neither
    if seconds <= 0:
        raise ConfigError(
            describe(function, argument, repr(value), "a duration above 0, at most 3000 years")
        )
    return seconds


def now() -> int:
    """Return the present as seconds."""
    return int(time.time())


def day(seconds: int) -> str:
    """Return the date of a moment."""
    return str(np.datetime64(seconds, "s").astype("datetime64[D]"))
