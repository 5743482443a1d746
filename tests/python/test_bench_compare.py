"""bench/compare.py: ratios of two Google Benchmark files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "compare.py"


def entry(name, real_time, unit="us", **more):
    return {
        "name": name,
        "run_name": name,
        "real_time": real_time,
        "cpu_time": 2 * real_time,
        "time_unit": unit,
        **more,
    }


@pytest.fixture
def compare(tmp_path):
    def run(before, after, *options):
        files = []
        for label, entries in (("before", before), ("after", after)):
            file = tmp_path / f"{label}.json"
            file.write_text(json.dumps({"benchmarks": entries}), encoding="utf-8")
            files.append(str(file))
        command = [sys.executable, str(SCRIPT), *files, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_ratio_is_after_over_before_whatever_the_units(compare):
    done = compare([entry("a", 2, "ms")], [entry("a", 500, "us")])

    assert done.returncode == 0
    assert "| a | 2 ms | 500 us | 0.250 |" in done.stdout


def test_repetitions_count_by_their_median_and_aggregates_not_at_all(compare):
    repeated = [entry("a", t) for t in (1, 100, 3)]
    aggregate = entry("a_mean", 34, run_name="a", run_type="aggregate")

    done = compare([*repeated, aggregate], [entry("a", 6)])

    assert "| a | 3 us | 6 us | 2.000 |" in done.stdout


def test_names_in_one_file_only_are_listed(compare):
    done = compare([entry("a", 1), entry("gone", 1)], [entry("a", 1), entry("new", 1)])

    assert "only in before: gone" in done.stdout
    assert "only in after: new" in done.stdout


def test_fail_above_makes_a_slower_run_an_error(compare):
    slower = [entry("a", 1)], [entry("a", 1.2)]

    assert compare(*slower, "--fail-above", "1.3").returncode == 0
    assert compare(*slower, "--fail-above", "1.1").returncode == 1


def test_files_without_a_common_name_are_an_error(compare):
    done = compare([entry("a", 1)], [entry("b", 1)])

    assert done.returncode == 2
    assert "no benchmark in common" in done.stderr
