"""Who interacted with what, when, and how strongly."""

from __future__ import annotations

import builtins
import datetime
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from . import _html
from ._frames import Array, Column, Table
from ._ids import Codes, ids_of
from ._times import DAY, Seconds, day, duration, moment, now, seconds_of
from .errors import ConfigError, DTypeError, IndexError, describe

__all__ = ["InteractionLog", "LogReport"]

_HERE = "InteractionLog"

Future = Literal["error", "drop", "keep"]


@dataclass(frozen=True)
class LogReport:
    """What a log holds.

    Attributes
    ----------
    events, users, items : int
    first, last : str or None
        Dates; None for a log without times.
    strong_share : float
        Share of events with a strong signal.
    repeats : int
        Events of a user with an item that the user already had.
    single_event_users : int
    median_events, most_events : int
        Per user.
    future_dropped : int
        Events that were dropped because they lie in the future.
    """

    events: int
    users: int
    items: int
    first: str | None
    last: str | None
    strong_share: float
    repeats: int
    single_event_users: int
    median_events: int
    most_events: int
    future_dropped: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)

    def __str__(self) -> str:
        return _html.text_pairs(self.to_dict())

    def _repr_html_(self) -> str:
        return _html.pairs(self.to_dict(), "interaction log")


class InteractionLog:
    """Events in any order, from any frame.

    Parameters
    ----------
    events : frame or dict of arrays
        One row per event.
    user, item : str
        Columns of ids: strings or whole numbers, none missing.
    time : str, optional
        Column of times: datetimes (those without a zone count as UTC), ISO 8601 strings, or seconds
        since 1970. Without it the rows count as being in time order, and no recent-trend prior is
        used.
    signal : str, optional
        Column of signals: "strong" or "weak", or bools (True is strong). Without it all are strong.
    future : {"error", "drop", "keep"}
        What to do with events later than tomorrow; dropped ones are counted in the report.

    Attributes
    ----------
    users, items : ndarray
        External ids that occur, sorted.
    user_codes, item_codes : ndarray of int32, shape (n_events,)
        Positions in `users` and `items`, per event.
    times : ndarray of int64, shape (n_events,)
        Seconds since 1970, or the row number in a log without times.
    strong : ndarray of bool, shape (n_events,)
    has_times : bool
    columns : dict
        Names of the columns in the frame: "user", "item", "time", "signal".

    Raises
    ------
    ConfigError
        Missing column, missing ids or times, unknown signals, times in the future, no events.
    DTypeError
        Ids, times or signals of a type that cannot be one.

    Examples
    --------
    >>> import relweave as rw
    >>> log = rw.InteractionLog(
    ...     {"who": ["u1", "u2", "u1"], "what": ["a", "a", "b"],
    ...      "when": ["2024-05-01", "2024-05-03", "2024-05-09"]},
    ...     user="who", item="what", time="when")
    >>> log
    InteractionLog(3 events, 2 users, 2 items, 2024-05-01 to 2024-05-09)
    >>> train, test = log.split_by_time(last="2d")
    >>> len(train), len(test)
    (2, 1)
    """

    users: Array
    items: Array
    user_codes: Codes
    item_codes: Codes
    times: Seconds
    strong: NDArray[np.bool_]
    has_times: bool
    columns: dict[str, str | None]

    def __init__(
        self,
        events: Any,
        *,
        user: str,
        item: str,
        time: str | None = None,
        signal: str | None = None,
        future: Future = "error",
    ) -> None:
        table = Table(events, _HERE, "events")
        if future not in ("error", "drop", "keep"):
            raise ConfigError(describe(_HERE, "future", repr(future), "'error', 'drop' or 'keep'"))
        users = ids_of(table.column(user, "user"), _HERE, "user")
        items = ids_of(table.column(item, "item"), _HERE, "item")
        self.columns = {"user": user, "item": item, "time": time, "signal": signal}
        self.has_times = time is not None
        self.times = (
            np.arange(table.length, dtype=np.int64)
            if time is None
            else seconds_of(table.column(time, "time"), _HERE, "time")
        )
        self.strong = (
            np.ones(table.length, dtype=bool)
            if signal is None
            else _strong(table.column(signal, "signal"))
        )
        if table.length == 0:
            raise ConfigError(describe(_HERE, "events", "no row", "at least one event"))
        keep = self._not_in_future(future) if self.has_times else None
        if keep is not None:
            users, items = users[keep], items[keep]
            self.times, self.strong = self.times[keep], self.strong[keep]
        self._set_ids(users, items)

    def _not_in_future(self, future: Future) -> NDArray[np.bool_] | None:
        late = self.times > now() + DAY
        count = int(late.sum())
        self._future_dropped = count if future == "drop" else 0
        if count == 0 or future == "keep":
            return None
        if future == "error" or count == len(late):
            raise ConfigError(
                describe(
                    _HERE,
                    "time",
                    f"{count} events in the future, up to {day(int(self.times.max()))}",
                    "times up to tomorrow",
                    "Check the unit and the zone, or pass future='drop' or future='keep'.",
                )
            )
        return ~late

    def _set_ids(self, users: Array, items: Array) -> None:
        self.users, user_codes = np.unique(users, return_inverse=True)
        self.items, item_codes = np.unique(items, return_inverse=True)
        self.user_codes = user_codes.astype(np.int32)
        self.item_codes = item_codes.astype(np.int32)

    _future_dropped = 0

    def __len__(self) -> int:
        return len(self.user_codes)

    def __repr__(self) -> str:
        span = (
            f", {day(int(self.times.min()))} to {day(int(self.times.max()))}"
            if self.has_times and len(self)
            else ""
        )
        return (
            f"InteractionLog({len(self):,} events, {len(self.users):,} users, "
            f"{len(self.items):,} items{span})"
        )

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def select(self, rows: Array) -> InteractionLog:
        """Return the log of some rows, given as a mask or as positions.

        Raises
        ------
        IndexError
            A mask of another length, or positions outside the log.
        """
        try:
            rows = np.arange(len(self))[rows]
        except builtins.IndexError as error:
            here, expected = "InteractionLog.select", f"a mask or positions of {len(self)} rows"
            raise IndexError(describe(here, "rows", str(error), expected)) from None
        part = InteractionLog.__new__(InteractionLog)
        part.columns = self.columns
        part.has_times = self.has_times
        part.times, part.strong = self.times[rows], self.strong[rows]
        part._set_ids(self.users[self.user_codes[rows]], self.items[self.item_codes[rows]])
        return part

    def split_by_time(
        self,
        *,
        test_fraction: float | None = None,
        cutoff: Any = None,
        last: str | float | datetime.timedelta | None = None,
    ) -> tuple[InteractionLog, InteractionLog]:
        """Return (train, test): the events before a moment, and those from it on.

        Parameters
        ----------
        test_fraction : float
            Share of events in the test part, in (0, 1); events of the same second stay together.
        cutoff : str, datetime, date or seconds
            First moment of the test part.
        last : str, timedelta or number of seconds
            Length of the test part, which ends with the last event: "14d", "2w", "36h".

        Raises
        ------
        ConfigError
            Not exactly one of the three is given, one part would be empty, or the log has no times.
        """
        here = "InteractionLog.split_by_time"
        given = {"test_fraction": test_fraction, "cutoff": cutoff, "last": last}
        names = [name for name, value in given.items() if value is not None]
        if len(names) != 1:
            raise ConfigError(
                describe(
                    here,
                    "arguments",
                    ", ".join(names) or "none",
                    "exactly one of test_fraction, cutoff, last",
                )
            )
        if not self.has_times:
            raise ConfigError(
                describe(
                    here, "log", "no times", "a log with times", "Pass time= to InteractionLog."
                )
            )
        if len(self) == 0:
            raise ConfigError(describe(here, "log", "no event", "at least two events"))
        if test_fraction is not None:
            if isinstance(test_fraction, bool | str) or not 0 < test_fraction < 1:
                raise ConfigError(
                    describe(here, "test_fraction", repr(test_fraction), "a share between 0 and 1")
                )
            place = min(int(np.ceil(len(self) * (1 - test_fraction))), len(self) - 1)
            start = int(np.partition(self.times, place)[place])
        elif cutoff is not None:
            start = moment(cutoff, here, "cutoff")
        else:
            assert last is not None
            start = int(self.times.max()) + 1 - duration(last, here, "last")
        test = self.times >= start
        if test.all() or not test.any():
            first, end = day(int(self.times.min())), day(int(self.times.max()))
            raise ConfigError(
                describe(
                    here,
                    names[0],
                    f"{given[names[0]]!r}, which leaves the "
                    f"{'training' if test.all() else 'test'} part empty",
                    f"a moment inside the log, {first} to {end}",
                )
            )
        return self.select(~test), self.select(test)

    def report(self) -> LogReport:
        """Return counts, dates and shares."""
        counts = np.bincount(self.user_codes, minlength=len(self.users))
        pairs = self.user_codes.astype(np.int64) * len(self.items) + self.item_codes
        return LogReport(
            events=len(self),
            users=len(self.users),
            items=len(self.items),
            first=day(int(self.times.min())) if self.has_times and len(self) else None,
            last=day(int(self.times.max())) if self.has_times and len(self) else None,
            strong_share=float(self.strong.mean()) if len(self) else 0.0,
            repeats=len(self) - len(np.unique(pairs)),
            single_event_users=int((counts == 1).sum()),
            median_events=int(np.median(counts)) if len(self) else 0,
            most_events=int(counts.max(initial=0)),
            future_dropped=self._future_dropped,
        )


def _strong(column: Column) -> NDArray[np.bool_]:
    missing = int(column.null.sum())
    if missing:
        raise ConfigError(
            describe(_HERE, "signal", f"{missing} missing signals", "a signal in every row")
        )
    if column.values.dtype.kind == "b":
        return column.values
    if column.values.dtype.kind != "U":
        raise DTypeError(
            describe(
                _HERE,
                "signal",
                f"dtype {column.values.dtype}",
                "'strong' and 'weak', or bools",
                "For ratings, compare first: rating >= 4.",
            )
        )
    strong: NDArray[np.bool_] = column.values == "strong"
    unknown = ~strong & (column.values != "weak")
    if unknown.any():
        raise ConfigError(
            describe(
                _HERE,
                "signal",
                f"{int(unknown.sum())} unknown signals such as "
                f"{column.values[unknown][0].item()!r}",
                "'strong' or 'weak'",
            )
        )
    return strong
