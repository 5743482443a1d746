"""The item graph against a join of the log with itself: pandas, and SQL in DuckDB."""

from __future__ import annotations

from comparison import Comparison, Skipped
from graph_build import Case, side_by_side

PANDAS = "pandas, merge and group-by, one thread"
DUCKDB = "DuckDB, SQL self-join"
CASES = (
    Case("graph_build_xwines_vs_pandas", "xwines", "pandas", PANDAS, ("pandas", "scipy")),
    Case("graph_build_xwines_vs_duckdb", "xwines", "duckdb", DUCKDB, ("duckdb", "pandas", "scipy")),
    Case("graph_build_vs_duckdb", "synthetic", "duckdb", DUCKDB, ("duckdb",)),
)
NEEDS = ()  # a case that lacks its peer says so
NAMES = tuple(case.name for case in CASES)


def compare(threads: int, repeats: int, **sizes: int) -> list[Comparison | Skipped]:
    return side_by_side(CASES, threads, repeats, **sizes)
