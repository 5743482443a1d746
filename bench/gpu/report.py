"""Merge what ran on a GPU into one JSON and one Markdown page.

Usage: python bench/gpu/report.py --bench bench.json [--peers peers.json] [--checks checks.txt]
       --out docs/benchmarks [--commit HASH] [--date DATE]

The files are named gpu_<card>.json and .md. Each line of checks.txt is "name: outcome".
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/peers"))

import markdown  # noqa: E402

HEAD = [
    "workload",
    "d",
    "dtype",
    "by",
    "ms",
    "time / first",
    "Gedge/s",
    "GB moved",
    "GB/s",
    "of copy",
    "TFLOP/s",
]


def slug(name: str) -> str:
    return re.sub(r"\W+", "_", name.lower()).strip("_")


def problem(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["work"], row["workload"], row["d"], row["dtype"]


def derive(rows: list[dict[str, Any]], copy_bytes_per_s: float) -> list[dict[str, Any]]:
    """Return the rows with rates, and with their time over that of the first of their problem."""
    first: dict[tuple[Any, ...], float] = {}
    result = []
    for row in rows:
        if "median_s" in row:
            seconds = row["median_s"]
            first.setdefault(problem(row), seconds)
            bytes_per_s = row["bytes"] / seconds
            row = {
                **row,
                "time_over_first": seconds / first[problem(row)],
                "edges_per_s": row["edges"] / seconds,
                "bytes_per_s": bytes_per_s,
                "share_of_copy": bytes_per_s / copy_bytes_per_s,
                "operations_per_s": row["operations"] / seconds,
            }
        result.append(row)
    return result


def merge(bench: dict[str, Any], peers: dict[str, Any], checks: str) -> dict[str, Any]:
    """Return the report: rows of ours, each followed by the peers of its problem."""
    order = list(dict.fromkeys(problem(row) for row in [*bench["rows"], *peers["rows"]]))
    by_problem: dict[tuple[Any, ...], list[dict[str, Any]]] = {key: [] for key in order}
    for row in [*bench["rows"], *peers["rows"]]:
        by_problem[problem(row)].append(row)
    rows = [row for key in order for row in by_problem[key]]
    return {
        "device": bench["device"],
        "versions": peers.get("versions", {}),
        "scale": bench["scale"],
        "copy_bytes_per_s": bench["copy_bytes_per_s"],
        "checks": dict(line.split(": ", 1) for line in checks.splitlines() if ": " in line),
        "rows": derive(rows, bench["copy_bytes_per_s"]),
    }


def number(value: float) -> str:
    return f"{value:.3g}" if value > 0 else "-"


def cells(row: dict[str, Any]) -> list[str]:
    name = [row["workload"], str(row["d"] or "-"), row["dtype"], row["by"]]
    if "wrong" in row:
        name[-1] += f" **WRONG**: {row['wrong']}"
    if "median_s" not in row:
        name[-1] += f" (skipped: {row['skipped']})" if "skipped" in row else ""
        return [*name, *["-"] * (len(HEAD) - len(name))]
    return [
        *name,
        f"{row['median_s'] * 1e3:.4g}",
        f"{row['time_over_first']:.2f}",
        number(row["edges_per_s"] / 1e9),
        number(row["bytes"] / 1e9),
        number(row["bytes_per_s"] / 1e9),
        f"{row['share_of_copy']:.0%}",
        number(row["operations_per_s"] / 1e12),
    ]


def page(report: dict[str, Any]) -> str:
    """Return the report as Markdown: what ran where, then a table for each work."""
    device = report["device"]
    facts = {
        "card": f"{device['name']}, {device['multiprocessors']} multiprocessors, "
        f"{device['memory_bytes'] / 2**30:.0f} GiB, compute capability "
        f"{device['compute_capability'] / 10:.1f}",
        "CUDA": f"runtime {device['cuda_runtime']}, driver {device['cuda_driver']}",
        **report["versions"],
        "commit": report.get("commit", "unknown"),
        "date": report.get("date", "unknown"),
        "scale of the workloads": f"{report['scale']:g}",
        "copy on the device": f"{report['copy_bytes_per_s'] / 1e9:.0f} GB/s, read and written",
        **report["checks"],
    }
    parts = [
        f"# {device['name']}",
        "Written by `scripts/gpu_report.sh`; [benchmarks](../benchmarks.md) says what the columns "
        "mean.",
        markdown.table(["", ""], list(facts.items()), 2),
    ]
    for work in dict.fromkeys(row["work"] for row in report["rows"]):
        rows = sorted(
            (row for row in report["rows"] if row["work"] == work),
            key=lambda row: (row["dtype"] != "float", row["d"]),
        )
        by_workload = dict.fromkeys(row["workload"] for row in rows)
        lines = [cells(row) for name in by_workload for row in rows if row["workload"] == name]
        parts += [f"## {work}", markdown.table(HEAD, lines, 4)]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True, help="JSON of relweave_gpu_bench")
    parser.add_argument("--peers", type=Path, help="JSON of peers.py")
    parser.add_argument("--checks", type=Path, help='lines "name: outcome" of tests and sanitizers')
    parser.add_argument("--out", type=Path, required=True, help="folder of both files")
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--date", default="unknown")
    a = parser.parse_args()

    def read(path: Path | None) -> str:
        return path.read_text(encoding="utf-8") if path and path.exists() else ""

    if not a.bench.exists():
        parser.error(f"--bench: got {a.bench}, which does not exist; run the stage bench first")
    bench = json.loads(read(a.bench))
    peers = json.loads(read(a.peers) or '{"rows": []}')
    report = {
        **merge(bench, peers, read(a.checks)),
        "commit": a.commit,
        "date": a.date,
    }
    a.out.mkdir(parents=True, exist_ok=True)
    stem = a.out / f"gpu_{slug(report['device']['name'])}"
    stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    stem.with_suffix(".md").write_text(page(report), encoding="utf-8")
    print(f"{stem}.json, {stem}.md: {len(report['rows'])} rows")
    return 1 if any("wrong" in row for row in report["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
