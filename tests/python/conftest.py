"""A small log with a planted structure: users and items have one of four tastes."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import relweave as rw

TASTES = 4
N_ITEMS = 160
SMALL = {
    "hgnn": {"layers": (16, 16), "epochs": 8, "batch": 256, "fanout": 5, "node_drop": 0.2},
    "towers": {"layers": (32, 16), "epochs": 15, "batch": 128, "learning_rate": 3e-3},
}


@dataclass(frozen=True)
class Tiny:
    items: dict[str, Any]
    events: dict[str, Any]
    vectors: np.ndarray

    def catalog(self, **columns: Any) -> rw.Catalog:
        return rw.Catalog(self.items, id="item", type="kind", text="title", **columns)

    def log(self) -> rw.InteractionLog:
        return rw.InteractionLog(
            self.events, user="user", item="item", time="time", signal="signal"
        )


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """A shell's background jobs, and what they start, ignore Ctrl-C; tests raise it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    rng = np.random.default_rng(0)
    n_users, n_items, n_events = 120, N_ITEMS, 1800
    user = rng.integers(0, n_users, n_events)
    own = rng.integers(0, n_items // TASTES, n_events) * TASTES + user % TASTES
    item = np.where(rng.random(n_events) < 0.9, own, rng.integers(0, n_items, n_events))
    taste = np.arange(n_items) % TASTES
    return Tiny(
        items={
            "item": [f"i{k}" for k in range(n_items)],
            "kind": np.array(["song", "book", "game"])[np.arange(n_items) % 3],
            "title": [f"title {k} of taste {k % TASTES}" for k in range(n_items)],
            "year": np.where(np.arange(n_items) % 7 == 0, np.nan, 1990 + taste),
            "language": np.array(["en", "de"])[taste % 2],
        },
        events={
            "user": [f"u{k}" for k in user],
            "item": [f"i{k}" for k in item],
            "time": np.sort(rng.integers(1_600_000_000, 1_620_000_000, n_events)),
            "signal": np.where(rng.random(n_events) < 0.8, "strong", "weak"),
        },
        vectors=(np.eye(TASTES)[taste] + rng.normal(0, 0.3, (n_items, TASTES))).astype(np.float32),
    )


@pytest.fixture(scope="session")
def model(tiny: Tiny) -> rw.Recommender:
    """Fitted once; tests must not change it."""
    return rw.Recommender(seed=3, **SMALL).fit(
        tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False
    )
