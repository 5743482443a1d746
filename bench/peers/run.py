"""Side-by-side runs against peers: agreement first, then times, in one run on one machine.

Usage: python bench/peers/run.py --suite cpu --json build/peers.json [--repeats 3]
       [--only training,dense_products] [--write docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from textwrap import fill
from typing import Any

import baseline_fits
import dense_products
import epochs
import gather
import graph_build
import graph_join
import hetero_layer
import relation_max
import relweave as rw
import sampler
import top_k
import training
from comparison import Comparison, Skipped, not_installed
from markdown import replace_block, table

# Modules with NAMES of comparisons, the packages that it NEEDS, and compare(threads, repeats).
SUITES: dict[str, dict[str, Any]] = {
    "cpu": {
        "training": training,
        "epochs": epochs,
        "dense_products": dense_products,
        "hetero_layer": hetero_layer,
        "relation_max": relation_max,
        "gather": gather,
        "top_k": top_k,
        "sampler": sampler,
        "graph_build": graph_build,
        "graph_join": graph_join,
        "baseline_fits": baseline_fits,
    },
}


def run_group(group: Any, threads: int, repeats: int) -> list[Comparison | Skipped]:
    """Run a group of comparisons, or say what is not installed."""
    if reason := not_installed(group.NEEDS):
        return [Skipped(name, reason) for name in group.NAMES]
    found: list[Comparison | Skipped] = group.compare(threads, repeats)
    return found


def seconds(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.6f}"


def show(comparisons: list[Comparison | Skipped]) -> str:
    rows = [
        [
            f"`{c.name}`",
            c.peer,
            "yes" if c.agree else "NO",
            seconds(c.ours_s),
            seconds(c.peer_s),
            f"{c.ratio:.2f}",
        ]
        if isinstance(c, Comparison)
        else [f"`{c.name}`", c.skipped, "", "", "", ""]
        for c in comparisons
    ]
    head = ["work", "peer", "results agree", "ours, s", "peer, s", "peer / ours"]
    notes = [c.note for c in comparisons if isinstance(c, Comparison) and c.note]
    return "\n\n".join([table(head, rows, text_columns=3), *(fill(note, 120) for note in notes)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="cpu", choices=list(SUITES))
    parser.add_argument("--only", help=f"some of {', '.join(SUITES['cpu'])}, separated by commas")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    a = parser.parse_args()
    suite = SUITES[a.suite]
    chosen = a.only.split(",") if a.only else list(suite)
    unknown = sorted(set(chosen) - set(suite))
    if unknown:
        parser.error(f"--only: got {', '.join(unknown)}, expected some of {', '.join(suite)}")

    comparisons: list[Comparison | Skipped] = []
    for name in chosen:
        found = run_group(suite[name], a.threads, a.repeats)
        comparisons += found
        print(show(found), flush=True)
        if a.write:
            replace_block(a.write, f"peers-{name}", show(found))
    if a.json:
        result = {
            "suite": a.suite,
            **rw.bench.machine(),
            "comparisons": [c.to_dict() for c in comparisons],
        }
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
