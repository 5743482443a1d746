"""Profiles: of a block of code, and the page's program on little data."""

from __future__ import annotations

import runpy
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import relweave as rw

PROGRAM = Path(__file__).resolve().parents[2] / "bench/epoch_profile.py"


def test_a_profile_counts_what_runs_in_its_block() -> None:
    x, weight = np.ones((64, 8), "f4"), np.ones((8, 4), "f4")
    rw.ops.linear(x, weight)

    with rw.bench.profile() as found:
        for _ in range(3):
            rw.ops.linear(x, weight)
        time.sleep(0.01)

    (entry,) = found.entries
    assert (entry.name, entry.beside, entry.calls) == ("linear", False, 3)
    assert 0 < entry.seconds < found.seconds
    assert found.seconds > 0.01
    lines = str(found).splitlines()
    assert lines[0].split() == ["work", "calls", "seconds", "share"]
    assert lines[1].split()[:2] == ["linear", "3"]
    assert lines[2].startswith("everything else")
    assert len({len(line) for line in lines}) == 1


def test_work_of_other_threads_is_beside() -> None:
    x, weight = np.ones((64, 8), "f4"), np.ones((8, 4), "f4")

    with rw.bench.profile() as found:
        thread = threading.Thread(target=rw.ops.linear, args=(x, weight))
        thread.start()
        thread.join()

    (entry,) = found.entries
    assert entry.beside
    assert "beside" in str(found)


def test_an_error_in_the_block_ends_the_profile() -> None:
    def fail() -> None:
        with rw.bench.profile():
            raise ValueError("of the block")

    with pytest.raises(ValueError, match="of the block"):
        fail()

    with rw.bench.profile() as found:
        pass
    assert found.entries == []


def test_a_profile_within_a_profile_is_refused() -> None:
    def nested() -> None:
        with rw.bench.profile():
            pass

    with rw.bench.profile() as outer:
        with pytest.raises(rw.ConfigError, match="one at a time"):
            nested()
        rw.ops.linear(np.ones((4, 4), "f4"), np.ones((4, 4), "f4"))

    assert [e.name for e in outer.entries] == ["linear"]  # goes on


def test_the_shares_of_an_epoch_add_up(tmp_path: Path) -> None:
    program = runpy.run_path(str(PROGRAM))

    found = program["profiles"](2, 2, 0.05)

    for profile in found.values():
        names = {e.name for e in profile.entries if not e.beside}
        assert {"training_step", "wait_for_batch", "adam", "linear_backward"} <= names
        assert sum(e.seconds for e in profile.entries if not e.beside) <= profile.seconds
    assert {"relation_aggregate", "relation_aggregate_backward", "margin"} <= {
        e.name for e in found["HGNN"].entries
    }
    assert {"sampled_softmax", "segment_mean"} <= {e.name for e in found["towers"].entries}
    assert any(e.beside and e.name == "sample_neighbors" for e in found["HGNN"].entries)


def test_the_program_writes_its_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- profile: begin -->\n<!-- profile: end -->\nafter\n")
    given = ["--threads", "1", "--epochs", "1", "--events", "0.05", "--write", str(page)]

    subprocess.run([sys.executable, str(PROGRAM), *given], check=True, capture_output=True)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count("| work | calls | ms | share |") == 2
    assert "HGNN, " in text
