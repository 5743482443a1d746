"""Side-by-side measurements: one result per piece of work, ours and a peer's, in one run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import relweave as rw

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Comparison:
    """One piece of work. `ratio` is the peer's time over ours; `agree`: results were checked.

    `note` is a sentence that belongs below the table.
    """

    name: str
    peer: str
    threads: int
    ours_s: float
    peer_s: float
    agree: bool
    details: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float:
        return self.peer_s / self.ours_s

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Skipped:
    """A piece of work whose peer is not there."""

    name: str
    skipped: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def not_installed(needs: Sequence[str]) -> str:
    """Return which packages are missing, and how to get them; "" if none is."""
    missing = [package for package in needs if find_spec(package) is None]
    return f"{', '.join(missing)} not installed; pip install '.[peers]' brings it" * bool(missing)


def run_program(script: str, arguments: Sequence[object]) -> dict[str, Any]:
    """Run a program beside this file in a process of its own, so that memory is its own too.

    Returns what it prints as its last line, JSON.
    """
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of every key."""
    return {key: median(row[key] for row in rows) for key in rows[0]}


def seconds_per_call(call: Callable[[], Any], calls: int = 1) -> float:
    time.sleep(0.02)  # the other library's threads spin for a while before they sleep
    if calls > 1:  # short, so that it tells what the other one left in the caches
        call()
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


NEAR = 1.5e-7
"""Seconds of a cache line's round trip between processors that share a cache, at most."""

PATIENCE = 120.0
"""Seconds that a comparison waits for such processors, at most."""


class Neighbours:
    """Waits until the threads run on processors that share a cache.

    A virtual machine's two processors may lie on parts of the chip that do not, for seconds or
    minutes: whatever threads hand to each other then takes several times as long. Nobody's times
    are looked at, both sides wait, and when the patience is over it goes on as it is.
    """

    def __init__(self, threads: int) -> None:
        self.patience = PATIENCE if threads > 1 else 0.0

    def wait(self) -> None:
        while self.patience > 0 and rw.bench.round_trip() > NEAR:
            time.sleep(1)
            self.patience -= 1


def in_turns(
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    rounds: int,
    least_seconds: float = 0.0,
    threads: int = 1,
) -> tuple[list[float], list[float]]:
    """Return the seconds per call of each round, the two taking turns at going first.

    A round makes as many calls as take about `least_seconds`. With several threads it waits for
    processors that share a cache.
    """
    neighbours = Neighbours(threads)
    neighbours.wait()
    both = (ours, peer)
    calls = [1, 1]
    if least_seconds:
        for f in both:
            f()
        calls = [max(1, round(least_seconds / seconds_per_call(f))) for f in both]
    times: tuple[list[float], list[float]] = ([], [])
    for r in range(rounds):
        neighbours.wait()
        for who in (0, 1) if r % 2 == 0 else (1, 0):
            times[who].append(seconds_per_call(both[who], calls[who]))
    return times


def compared(
    name: str,
    peer: str,
    threads: int,
    agree: bool,
    times: tuple[Sequence[float], Sequence[float]],
    details: dict[str, Any] | None = None,
    note: str = "",
) -> Comparison:
    """Return the medians of both's times, which stay in the details."""
    runs = {"ours": list(times[0]), "peer": list(times[1])}
    ours_s, peer_s = (median(t) for t in times)
    everything = {**(details or {}), "runs": runs}
    return Comparison(name, peer, threads, ours_s, peer_s, agree, everything, note)
