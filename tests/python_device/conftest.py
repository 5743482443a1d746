"""A small log, and what the emulated devices hold after each test."""

from __future__ import annotations

import ctypes
import gc
import signal
from dataclasses import dataclass

import numpy as np
import pytest

import relweave as rw
from relweave import _core

N_ITEMS = 60
HGNN = {"layers": (8, 16), "epochs": 2, "batch": 64, "fanout": 3}
TOWERS = {"layers": (16, 16), "epochs": 2, "batch": 64}


@dataclass(frozen=True)
class World:
    log: rw.InteractionLog
    catalog: rw.Catalog
    graph: rw.CoInteractionGraph
    vectors: np.ndarray  # in the order of the frame

    @property
    def inner(self) -> np.ndarray:
        return self.vectors[self.catalog.rows]


@pytest.fixture(scope="session")
def world() -> World:
    rng = np.random.default_rng(0)
    user = rng.integers(0, 30, 600)
    item = rng.integers(0, N_ITEMS // 4, 600) * 4 + user % 4
    catalog = rw.Catalog(
        {"item": [f"i{k}" for k in range(N_ITEMS)], "kind": ["song", "book", "game"] * 20},
        id="item",
        type="kind",
    )
    log = rw.InteractionLog(
        {"u": [f"u{k}" for k in user], "i": [f"i{k}" for k in item], "t": np.arange(600)},
        user="u",
        item="i",
        time="t",
    )
    graph = rw.CoInteractionGraph.build(log, catalog, {"top_neighbors": 5})
    return World(log, catalog, graph, rng.normal(size=(N_ITEMS, 12)).astype(np.float32))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """A shell's background jobs, and what they start, ignore Ctrl-C; tests raise it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Emulation:
    """Functions of the emulation's control.hpp, by the names that the linker knows."""

    def __init__(self) -> None:
        library = ctypes.CDLL(_core.__file__)
        self.live_allocations = library._ZN9emulation16live_allocationsEv
        self.live_handles = library._ZN9emulation12live_handlesEv
        self._fail_next = library._ZN9emulation9fail_nextE9cudaErrori
        self._forget_error = library.cudaGetLastError
        self.failure_pending = library._ZN9emulation15failure_pendingEv
        self.live_allocations.restype = self.live_handles.restype = ctypes.c_int64
        self.failure_pending.restype = ctypes.c_bool
        self.expected = 0, 0
        gc.freeze()  # collections are many here, and need not look at what was imported

    def fail(self, skip: int) -> None:
        """Let an allocation's error come from the call after the next `skip`."""
        self._forget_error()
        self._fail_next(2, skip)

    def work(self) -> None:
        self._fail_next(0, 0)

    def live(self) -> tuple[int, int]:
        for _ in range(2):  # what one finalizer releases may be a cycle, too
            gc.collect()
        return self.live_allocations(), self.live_handles()


@pytest.fixture(scope="session")
def emulation() -> Emulation:
    return Emulation()


@pytest.fixture(autouse=True)
def nothing_left(emulation):
    """Memory, streams and events of the devices end with the objects that need them."""
    emulation.expected = emulation.live()
    yield
    assert emulation.live() == emulation.expected
