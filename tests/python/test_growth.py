"""The growth curves' program on small sizes."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "bench/growth.py"


def test_points_are_measured_and_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- growth: begin -->\n<!-- growth: end -->\nafter\n")
    growth = runpy.run_path(str(PROGRAM))
    rows = [growth["measure"](point, 1) for point in growth["points"](1e-3)]

    growth["plot"](rows, tmp_path / "growth.png")
    text = growth["show"](rows)

    assert {r["grows"] for r in rows} == {"edges", "types", "d", "threads", "events"}
    assert all(r.get("both_s", 1) > r.get("forward_s", 0) > -1 for r in rows)
    assert all(r["layer_mib"] >= 0 for r in rows if r["work"] == "layer")
    assert text.count("| ---") > 2
    assert len([line for line in text.splitlines() if line.startswith("|")]) == len(rows) + 4
    assert (tmp_path / "growth.png").stat().st_size > 5_000


def test_a_point_in_a_process_of_its_own() -> None:
    point = {"work": "layer", "grows": "d", "edges": 900, "types": 3, "d": 8, "threads": 1}
    command = [sys.executable, PROGRAM, "--point", json.dumps(point), "--repeats", "1"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    result = json.loads(done.stdout)
    assert point.items() <= result.items()
    assert result["both_s"] > result["forward_s"] > 0
