"""The peak of this process's memory."""

from __future__ import annotations

from pathlib import Path


def peak_mib() -> float:
    """Return the largest resident set since the program began, in MiB.

    `ru_maxrss` is no such number: it starts at what the process that ran the program had.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
