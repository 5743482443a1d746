"""The item graph against SciPy's product of the capped users x items matrix with itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from comparison import Comparison, medians, run_program
from item_graph_logs import write

NEEDS = ("scipy",)
LOGS = {"graph_build_xwines_vs_scipy": "xwines", "graph_build_vs_scipy": "synthetic"}
NAMES = tuple(LOGS)


def same_links(ours: Path, theirs: Path) -> bool:
    """Return whether both found the same links with the same counts and weights, to the bit."""
    with np.load(ours) as a, np.load(theirs) as b:
        return all(np.array_equal(a[name], b[name]) for name in a.files)


def compare(threads: int, repeats: int) -> list[Comparison]:
    """Let the programs take turns on the same columns, each in a process of its own."""
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, log in LOGS.items():
            path = write(log, folder)
            rows: dict[str, list[dict[str, Any]]] = {"relweave": [], "scipy": []}
            agree = True
            for _ in range(repeats):
                for by, runs in rows.items():
                    given = ["--by", by, "--log", path, "--links", folder / f"{by}.npz"]
                    runs.append(run_program("item_graph.py", [*given, "--threads", threads]))
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
                    name,
                    "SciPy, capped B.T @ B and the top ten, one thread",
                    threads,
                    ours["seconds"],
                    theirs["seconds"],
                    agree,
                    details,
                    f"Peak memory of `{name}`: {ours['peak_mib']:.0f} MiB against "
                    f"{theirs['peak_mib']:.0f} MiB; the peer's product alone takes "
                    f"{theirs['product_seconds']:.2f} s.",
                )
            )
    return results
