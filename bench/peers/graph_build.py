"""The item graph against SciPy's product of the capped users x items matrix with itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from comparison import Comparison, medians, run_program
from item_graph_logs import write

LOGS = ("xwines", "synthetic")


def same_links(ours: Path, theirs: Path) -> bool:
    """Return whether both found the same links with the same counts and weights, to the bit."""
    with np.load(ours) as a, np.load(theirs) as b:
        return all(np.array_equal(a[name], b[name]) for name in a.files)


def compare(threads: int, repeats: int) -> list[Comparison]:
    """Let the programs take turns on the same columns, each in a process of its own."""
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for log in LOGS:
            path = write(log, folder)
            rows: dict[str, list[dict[str, Any]]] = {"relweave": [], "scipy": []}
            agree = True
            for _ in range(repeats):
                for by, runs in rows.items():
                    given = ["--by", by, "--log", path, "--links", folder / f"{by}.npz"]
                    runs.append(run_program("item_graph.py", [*given, "--threads", threads]).result)
                agree = agree and same_links(folder / "relweave.npz", folder / "scipy.npz")
            ours, theirs = medians(rows["relweave"]), medians(rows["scipy"])
            details = {
                "peak_mib": {"ours": ours["peak_mib"], "peer": theirs["peak_mib"]},
                "memory_ratio": ours["peak_mib"] / theirs["peak_mib"],
                "product_s": theirs["product_seconds"],
                "links": ours["links"],
                "runs": rows,
            }
            results.append(
                Comparison(
                    f"graph_build_vs_scipy, {log}",
                    "SciPy, capped B.T @ B and the top ten, one thread",
                    threads,
                    ours["seconds"],
                    theirs["seconds"],
                    agree,
                    details,
                )
            )
    return results
