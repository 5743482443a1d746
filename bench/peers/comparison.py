"""Side-by-side measurements: one result per piece of work, ours and a peer's, in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Comparison:
    """One piece of work. `ratio` is the peer's time over ours; `agree`: results were checked."""

    name: str
    peer: str
    threads: int
    ours_s: float
    peer_s: float
    agree: bool
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.peer_s / self.ours_s

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


@dataclass(frozen=True)
class Finished:
    """What a program printed as its last line, JSON, and the peak of its resident memory."""

    result: dict[str, Any]
    peak_mib: float


def run_program(script: str, arguments: Sequence[object]) -> Finished:
    """Run a program beside this file in a process of its own, so that memory is its own too."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE)
    with process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}\n{output}")
    return Finished(json.loads(output.splitlines()[-1]), usage.ru_maxrss / 1024)


def medians(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of every key."""
    return {key: median(row[key] for row in rows) for key in rows[0]}
