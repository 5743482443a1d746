"""A log over a catalogue, as the core takes it; and histories given at call time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._frames import Array
from ._ids import Codes, IdIndex, as_ids
from .catalog import Catalog
from .errors import ConfigError, DTypeError, ShapeError, describe
from .log import InteractionLog

Flags = NDArray[np.uint8]


@dataclass(frozen=True)
class Events:
    """Columns of dense ids; `dropped` events had items that the catalogue lacks."""

    user: Codes
    item: Codes
    time: NDArray[np.int64]
    strong: Flags
    dropped: int
    unknown_items: int

    @classmethod
    def of(cls, log: InteractionLog, items: IdIndex, function: str) -> Events:
        """Translate items; users keep their positions in `log.users`."""
        if not isinstance(log, InteractionLog):
            raise DTypeError(describe(function, "train", type(log).__name__, "an InteractionLog"))
        if len(log) == 0:
            raise ConfigError(describe(function, "train", "no event", "at least one event"))
        items.expect_kind(log.items, function, "train", "catalogue")
        codes = items.find(log.items)
        item = codes[log.item_codes]
        known = item >= 0
        if not known.any():
            raise ConfigError(
                describe(
                    function,
                    "train",
                    f"{len(log)} events, none of them with an item of the catalogue",
                    "at least one",
                    "Compare the ids of both.",
                )
            )
        # Without a copy where none is dropped: the columns of a log may be large.
        rows = slice(None) if known.all() else known
        return cls(
            user=log.user_codes[rows],
            item=item[rows],
            time=log.times[rows],
            strong=log.strong[rows].view(np.uint8),
            dropped=int((~known).sum()),
            unknown_items=int((codes < 0).sum()),
        )

    def sorted(self) -> Events:
        """Return the events by user, then time, then item."""
        order = np.lexsort((self.item, self.time, self.user))
        return Events(
            self.user[order],
            self.item[order],
            self.time[order],
            self.strong[order],
            self.dropped,
            self.unknown_items,
        )

    def arrays(self) -> dict[str, Any]:
        """Return the columns by the names that the core uses."""
        return {"user": self.user, "item": self.item, "time": self.time, "strong": self.strong}


@dataclass(frozen=True)
class Histories:
    """Items of users side by side, oldest first: user u has [offsets[u], offsets[u + 1])."""

    offsets: NDArray[np.int64]
    items: Codes
    strong: Flags

    def take(self, users: Codes) -> Histories:
        """Return the histories of some users; user -1 has none."""
        offsets, places = take_rows(self.offsets, users)
        return Histories(offsets, self.items[places], self.strong[places])

    @classmethod
    def empty(cls, count: int) -> Histories:
        """Return `count` users without a history."""
        return cls(
            np.zeros(count + 1, dtype=np.int64),
            np.empty(0, dtype=np.int32),
            np.empty(0, dtype=np.uint8),
        )

    @classmethod
    def of_lists(cls, lists: Any, items: IdIndex, function: str) -> Histories:
        """Take one sequence of item ids per user, oldest first, all of them strong."""
        if isinstance(lists, str) or not isinstance(lists, Iterable):
            raise DTypeError(
                describe(function, "histories", repr(lists), "a list of item ids per user")
            )
        parts = [as_ids(part, function, "histories") for part in lists]
        filled = [part for part in parts if len(part)]
        codes = (
            items.expect(np.concatenate(filled), function, "histories", "model")
            if filled
            else np.empty(0, dtype=np.int32)
        )
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return cls(offsets, codes, np.ones(len(codes), dtype=np.uint8))

    @classmethod
    def of_log(cls, log: InteractionLog, users: Array, items: IdIndex, function: str) -> Histories:
        """Take the events of `users` from a log; users that it lacks have no history."""
        codes = items.expect(log.items, function, "histories", "model")
        row = IdIndex(users).find(log.users)[log.user_codes]
        kept = np.flatnonzero(row >= 0)
        order = kept[np.lexsort((log.times[kept], row[kept]))]
        counts = np.bincount(row[order], minlength=len(users))
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            codes[log.item_codes[order]],
            log.strong[order].astype(np.uint8),
        )


def read_histories(
    histories: Any, user_ids: Array | None, items: IdIndex, function: str
) -> tuple[Histories, Array | None]:
    """Return the histories of a call and whose they are (None: nobody's by name)."""
    if isinstance(histories, InteractionLog):
        users = histories.users if user_ids is None else user_ids
        if len(np.unique(users)) != len(users):
            raise ConfigError(describe(function, "user_ids", "a user twice", "every user once"))
        return Histories.of_log(histories, users, items, function), users
    if isinstance(histories, Mapping):
        names = as_ids(list(histories), function, "histories")
        if user_ids is not None:
            raise ConfigError(
                describe(function, "user_ids", "ids", "None, since histories name their users")
            )
        return Histories.of_lists(histories.values(), items, function), names
    if isinstance(histories, Iterable) and not isinstance(histories, Sized | str):
        histories = list(histories)
    if user_ids is not None and isinstance(histories, Sized) and len(user_ids) != len(histories):
        raise ShapeError(
            describe(
                function,
                "histories",
                f"{len(histories)} histories",
                f"{len(user_ids)}, one per user",
            )
        )
    return Histories.of_lists(histories, items, function), user_ids


def read_edges(
    edges: Any, new_items: Catalog, items: IdIndex, limit: int, function: str
) -> tuple[Codes, Codes]:
    """Return links of new items as (position in the new catalogue, dense item)."""
    if edges is None:
        return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
    if not isinstance(edges, tuple | list) or len(edges) != 2:
        raise DTypeError(
            describe(
                function,
                "edges",
                type(edges).__name__,
                "a pair (new item ids, item ids) of equal length",
            )
        )
    fresh = as_ids(edges[0], function, "edges[0]")
    known = as_ids(edges[1], function, "edges[1]")
    if len(fresh) != len(known):
        raise ShapeError(
            describe(function, "edges", f"{len(fresh)} and {len(known)} ids", "equal lengths")
        )
    source = new_items.index.expect(fresh, function, "edges[0]", "new items")
    target = items.expect(known, function, "edges[1]", "model")
    if (target >= limit).any():
        raise ConfigError(
            describe(
                function,
                "edges[1]",
                "items that were added after training",
                "items of the trained catalogue",
            )
        )
    return source, target


def take_rows(
    offsets: NDArray[np.int64], rows: Codes
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return offsets and places of some rows of a ragged array; row -1 is empty."""
    known = rows >= 0
    first = np.where(known, offsets[rows], 0)
    lengths = np.where(known, offsets[rows + 1], 0) - first
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return ends, np.arange(ends[-1]) + np.repeat(first - ends[:-1], lengths)
