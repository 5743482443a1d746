"""The memory of this process, now and at its peak."""

from __future__ import annotations

from pathlib import Path


def _mib(name: str) -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024


def held_mib() -> float:
    """Return the resident set, in MiB."""
    return _mib("VmRSS")


def peak_mib() -> float:
    """Return the largest resident set since the program began, in MiB.

    `ru_maxrss` is no such number: it starts at what the process that ran the program had.
    """
    return _mib("VmHWM")
