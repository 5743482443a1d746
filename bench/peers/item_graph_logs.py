"""Logs with dense ids for the item graph: X-Wines, and a made-up one of twenty million events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CAP = 50
TOP = 10

Columns = dict[str, Any]
Links = tuple[Any, ...]  # lower, upper, count, weight

SIZES = (26_000, 13_000, 6_000, 3_000, 1_500, 500)  # items of each type
USERS = 200_000
EVENTS = 20_000_000
TASTES = 32


def xwines() -> Columns:
    """Return the training part of X-Wines, items grouped by type."""
    from xwines_protocol import Data

    data = Data("test")
    order = np.argsort(data.type, kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    offsets = np.r_[0, np.cumsum(np.bincount(data.type))]
    return {
        "user": data.u.astype(np.int32),
        "item": place[data.i],
        "time": data.t.astype(np.int64),
        "users": int(data.u.max()) + 1,
        "offsets": offsets.astype(np.int64),
    }


def synthetic(users: int = USERS, events: int = EVENTS) -> Columns:
    """Return events in the order of time, of users with two tastes and items with popularity."""
    rng = np.random.default_rng(0)
    offsets = np.r_[0, np.cumsum(SIZES)].astype(np.int64)
    user = np.floor(users * rng.random(events) ** 1.5).astype(np.int32)  # some are busy
    second = rng.random(events) < 1 / 3
    taste = np.where(second, user // TASTES, user) % TASTES
    taste = np.where(rng.random(events) < 0.15, rng.integers(0, TASTES, events), taste)
    kind = np.searchsorted(np.cumsum(SIZES) / sum(SIZES), rng.random(events), side="right")
    shelf = np.asarray(SIZES)[kind] // TASTES  # items of the type and taste
    place = np.floor(shelf * rng.random(events) ** 3)  # the first are popular
    item = (offsets[kind] + place * TASTES + taste).astype(np.int32)
    when = np.sort(rng.integers(1_600_000_000, 1_630_000_000, events))
    return {"user": user, "item": item, "time": when, "users": users, "offsets": offsets}


def write(name: str, folder: Path, **sizes: int) -> Path:
    """Write a log's columns into the folder; return the file. Sizes are of the made-up one."""
    path = folder / f"{name}.npz"
    np.savez(path, **(xwines() if name == "xwines" else synthetic(**sizes)))
    return path
