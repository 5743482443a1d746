"""The item graph against SciPy's product of the capped users x items matrix with itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comparison import Comparison, Skipped, medians, not_installed, run_program
from item_graph_logs import write


@dataclass(frozen=True)
class Case:
    """A log, and the peer of item_graph.py that builds its graph, too."""

    name: str
    log: str
    by: str
    peer: str
    needs: tuple[str, ...]


SCIPY = "SciPy, capped B.T @ B and the top ten, one thread"
CASES = (
    Case("graph_build_xwines_vs_scipy", "xwines", "scipy", SCIPY, ("scipy", "pandas")),
    Case("graph_build_vs_scipy", "synthetic", "scipy", SCIPY, ("scipy",)),
)
NEEDS = ()  # a case that lacks its peer says so
NAMES = tuple(case.name for case in CASES)


def same_links(ours: Path, theirs: Path) -> bool:
    """Return whether both found the same links with the same counts and weights, to the bit."""
    with np.load(ours) as a, np.load(theirs) as b:
        return all(np.array_equal(a[name], b[name]) for name in a.files)


def compare(threads: int, repeats: int, **sizes: int) -> list[Comparison | Skipped]:
    return side_by_side(CASES, threads, repeats, **sizes)


def side_by_side(
    cases: Sequence[Case], threads: int, repeats: int, **sizes: int
) -> list[Comparison | Skipped]:
    """Let the programs take turns on the same columns, each in a process of its own."""
    results: list[Comparison | Skipped] = []
    with tempfile.TemporaryDirectory() as temporary:
        for case in cases:
            if reason := not_installed(case.needs):
                results.append(Skipped(case.name, reason))
            else:
                results.append(build(case, Path(temporary), threads, repeats, **sizes))
    return results


def build(case: Case, folder: Path, threads: int, repeats: int, **sizes: int) -> Comparison:
    path = write(case.log, folder, **sizes)
    rows: dict[str, list[dict[str, Any]]] = {"relweave": [], case.by: []}
    agree = True
    for _ in range(repeats):
        for by, runs in rows.items():
            given = ["--by", by, "--log", path, "--links", folder / f"{by}.npz"]
            runs.append(run_program("item_graph.py", [*given, "--threads", threads]))
        agree = agree and same_links(folder / "relweave.npz", folder / f"{case.by}.npz")
    ours, theirs = medians(rows["relweave"]), medians(rows[case.by])
    taken = [side["peak_mib"] - side["held_mib"] for side in (ours, theirs)]
    details = {
        "peak_mib": {"ours": ours["peak_mib"], "peer": theirs["peak_mib"]},
        "held_mib": {"ours": ours["held_mib"], "peer": theirs["held_mib"]},
        "memory_ratio": taken[0] / taken[1],
        "links": ours["links"],
        "runs": rows,
    }
    note = (
        f"Peak memory of `{case.name}`: {ours['peak_mib']:,.0f} MiB against "
        f"{theirs['peak_mib']:,.0f} MiB, of which programs and log held {ours['held_mib']:,.0f} "
        f"and {theirs['held_mib']:,.0f} MiB before"
    )
    if "product_seconds" in theirs:
        details["product_s"] = theirs["product_seconds"]
        note += f"; the peer's product alone takes {theirs['product_seconds']:.2f} s"
    return Comparison(
        case.name,
        case.peer,
        threads,
        ours["seconds"],
        theirs["seconds"],
        agree,
        details,
        note + ".",
    )
