"""Operations are whole: files of one stem, a documented header, a row in docs/ops.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPS = sorted(
    p.name for p in (ROOT / "include/relweave/ops").iterdir() if p.is_dir() and p.name != "detail"
)
LABELS = ["Shapes", "Numerics", "Aliasing", "Cost", "Determinism", "Throws", "Source"]
LONGEST = 25  # lines of a comment


def declarations(op: str) -> dict[str, list[str]]:
    """Return the comment's lines of every public function that the header of `op` declares."""
    header = (ROOT / f"include/relweave/ops/{op}/{op}.hpp").read_text()
    found = re.findall(
        r"((?:^///.*\n)*)^template <(?:Host)?Scalar T>\nRELWEAVE_API void (\w+)\(",
        header,
        re.MULTILINE,
    )
    return {name: comment.splitlines() for comment, name in found}


@pytest.mark.parametrize("op", OPS)
def test_an_operation_has_a_reference_tests_and_a_benchmark(op):
    for path in (
        f"include/relweave/ops/{op}/reference.hpp",
        f"tests/ops/{op}_test.cpp",
        f"bench/ops/{op}_bench.cpp",
    ):
        assert (ROOT / path).is_file(), path

    assert f"{op}_test.cpp" in (ROOT / "tests/ops/CMakeLists.txt").read_text()
    assert f"{op}_bench.cpp" in (ROOT / "bench/ops/CMakeLists.txt").read_text()


@pytest.mark.parametrize("op", OPS)
def test_a_header_answers_every_question_of_its_reader(op):
    functions = declarations(op)

    assert op in functions
    for name, comment in functions.items():
        labels = [found[1] for line in comment if (found := re.match(r"/// ([A-Z]\w+): ", line))]
        assert labels == LABELS, name
        assert len(comment) <= LONGEST, name


def test_the_table_has_every_operation_in_order():
    page = (ROOT / "docs/ops.md").read_text().split("## On a device")[0]
    rows = [
        re.findall(r"`(\w+)`", cell) for cell in re.findall(r"^\| (`.+?) \|", page, re.MULTILINE)
    ]

    declared = {name for op in OPS for name in declarations(op)}

    assert {name for row in rows for name in row} == declared
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
