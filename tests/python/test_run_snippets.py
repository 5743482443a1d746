"""tests/docs/run_snippets.py: a snippet that fails must fail the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "docs" / "run_snippets.py"


@pytest.fixture
def run(tmp_path):
    def run_page(text):
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        command = [sys.executable, str(SCRIPT), str(page)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run_page


def test_blocks_of_one_page_share_their_names(run):
    done = run("```python tested\nx = 2\n```\n\nprose\n\n```python tested\nassert x == 2\n```\n")

    assert done.returncode == 0
    assert "1 passed, 0 failed" in done.stdout


def test_a_failing_block_fails_with_the_line_of_the_page(run):
    done = run("# Title\n\n```python tested\nx = 1\nassert x == 2\n```\n")

    assert done.returncode == 1
    assert "line 5" in done.stdout
    assert "0 passed, 1 failed" in done.stdout


def test_bash_stops_at_the_first_failing_command(run):
    done = run("```bash tested\nfalse\necho reached\n```\n")

    assert done.returncode == 1
    assert "reached" not in done.stdout


@pytest.mark.parametrize("mark", ["", " covered by nowhere.py", " Tested"])
def test_a_block_that_nothing_runs_fails(run, mark):
    done = run(f"# Title\n\n```python{mark}\nraise SystemExit(1)\n```\n")

    assert done.returncode == 1
    assert "line 3: neither tested nor covered by a file" in done.stdout


def test_blocks_covered_elsewhere_and_other_languages_are_not_run(run):
    done = run("```bash covered by scripts/test.sh\nfalse\n```\n\n```text\na -> b\n```\n")

    assert done.returncode == 0
    assert "0 passed, 0 failed" in done.stdout


def test_a_language_without_a_runner_is_an_error(run):
    done = run("```ruby tested\nputs 1\n```\n")

    assert done.returncode != 0
    assert "no runner for ruby" in done.stderr
