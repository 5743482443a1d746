"""Compare two runs of Google Benchmark: one row per name, time before, time after, ratio.

Usage: python bench/compare.py before.json after.json [--metric cpu_time] [--fail-above 1.1]

A ratio below 1 means the second run is faster. Where a run repeated its benchmarks, their median
counts. Names found in one file only are listed, never dropped in silence.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections import defaultdict
from pathlib import Path

NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def load(path: Path, metric: str) -> dict[str, float]:
    """Return nanoseconds by benchmark name."""
    samples = defaultdict(list)
    for entry in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]:
        if entry.get("run_type") == "aggregate" or entry.get("error_occurred"):
            continue
        name = entry.get("run_name", entry["name"])
        samples[name].append(entry[metric] * NANOSECONDS[entry["time_unit"]])
    return {name: statistics.median(values) for name, values in samples.items()}


def readable(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def table(before: dict[str, float], after: dict[str, float]) -> tuple[list[str], dict[str, float]]:
    """Return the lines of a Markdown table and the ratio after/before by name."""
    ratios = {name: after[name] / before[name] for name in before if name in after}
    lines = ["| benchmark | before | after | after/before |", "|---|---:|---:|---:|"]
    for name, ratio in ratios.items():
        lines.append(
            f"| {name} | {readable(before[name])} | {readable(after[name])} | {ratio:.3f} |"
        )
    if ratios:
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios.values()))
        lines.append(f"| *geometric mean of {len(ratios)}* | | | {mean:.3f} |")
    for label, names in (("before", before.keys() - after), ("after", after.keys() - before)):
        lines += [f"only in {label}: {name}" for name in sorted(names)]
    return lines, ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--metric", choices=["real_time", "cpu_time"], default="real_time")
    parser.add_argument("--fail-above", type=float, help="exit 1 if any ratio is larger than this")
    arguments = parser.parse_args()

    lines, ratios = table(
        load(arguments.before, arguments.metric), load(arguments.after, arguments.metric)
    )
    print("\n".join(lines))
    if not ratios:
        print("the two files have no benchmark in common", file=sys.stderr)
        return 2
    limit = arguments.fail_above
    return int(limit is not None and max(ratios.values()) > limit)


if __name__ == "__main__":
    sys.exit(main())
