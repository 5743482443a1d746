"""Side-by-side runs against peers: agreement first, then times, in one run on one machine.

Usage: python bench/peers/run.py --suite cpu --json build/peers.json [--repeats 3]
       [--only training,dense_products] [--write docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import dense_products
import graph_build
import relweave as rw
import training
from comparison import Comparison
from markdown import replace_block, table

SUITES: dict[str, dict[str, Callable[[int, int], list[Comparison]]]] = {
    "cpu": {
        "training": training.compare,
        "dense_products": dense_products.compare,
        "graph_build_vs_scipy": graph_build.compare,
    },
}


def seconds(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.6f}"


def show(comparisons: list[Comparison]) -> str:
    rows = [
        [
            f"`{c.name}`",
            c.peer,
            "yes" if c.agree else "NO",
            seconds(c.ours_s),
            seconds(c.peer_s),
            f"{c.ratio:.2f}",
        ]
        for c in comparisons
    ]
    head = ["work", "peer", "results agree", "ours, s", "peer, s", "peer / ours"]
    notes = [note(c) for c in comparisons if "peak_mib" in c.details]
    return "\n\n".join([table(head, rows, text_columns=3), *notes])


def note(c: Comparison) -> str:
    text = "Peak memory {ours:.0f} MiB against {peer:.0f} MiB".format(**c.details["peak_mib"])
    if "mean_hr" in c.details:
        text += ", mean warm HR@10 {ours:.3f} against {peer:.3f}".format(**c.details["mean_hr"])
    if "product_s" in c.details:
        text += f"; the product alone takes {seconds(c.details['product_s'])} s (`{c.name}`)"
    return text + "."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="cpu", choices=list(SUITES))
    parser.add_argument("--only", help="names of comparisons, separated by commas")
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

    comparisons: list[Comparison] = []
    for name in chosen:
        found = suite[name](a.threads, a.repeats)
        comparisons += found
        print(show(found), flush=True)
        if a.write:
            replace_block(a.write, f"peers-{name}", show(found))
    if a.json:
        result = {
            "suite": a.suite,
            "version": rw.__version__,
            "isa": rw.show_config()["isa"],
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "load": os.getloadavg(),
            "comparisons": [c.to_dict() for c in comparisons],
        }
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
