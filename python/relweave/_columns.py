"""Descriptive columns (language, age, country, ...) as feature columns, the same way every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._frames import Column
from .config import number
from .errors import ConfigError, describe

MAX_CATEGORIES = 64  # of one column; rarer ones share the all-zero code


@dataclass(frozen=True)
class Numeric:
    """(x - mean) / deviation; a missing value becomes 0, the mean."""

    mean: float
    deviation: float

    @property
    def width(self) -> int:
        return 1

    def encode(self, column: Column) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # ColumnEncoder.encode refuses what is not finite
            scaled = (column.values.astype(np.float64) - self.mean) / self.deviation
            return np.where(column.null, 0, scaled).astype(np.float32)[:, None]


@dataclass(frozen=True)
class Categorical:
    """One column per category; a missing or unknown value becomes zeros."""

    categories: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.categories)

    def encode(self, column: Column) -> NDArray[np.float32]:
        same = column.values.astype(str)[:, None] == np.array(self.categories, dtype=str)[None]
        result: NDArray[np.float32] = (same & ~column.null[:, None]).astype(np.float32)
        return result


class ColumnEncoder:
    """How named columns became numbers, so that later rows become the same numbers.

    Numbers are standardised; strings and bools become one column per category, at most 64 of them
    (the most frequent).
    """

    def __init__(self, codes: Mapping[str, Numeric | Categorical]) -> None:
        self.codes = dict(codes)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.codes)

    @property
    def width(self) -> int:
        """Number of feature columns."""
        return sum(code.width for code in self.codes.values())

    @classmethod
    def learn(cls, columns: Mapping[str, Column], function: str) -> ColumnEncoder:
        """Take means, deviations and categories from the columns."""
        return cls({name: _learn(name, column, function) for name, column in columns.items()})

    def encode(self, columns: Mapping[str, Column], function: str) -> NDArray[np.float32]:
        """Return (n, width); every learned column must be there."""
        for name, code in self.codes.items():
            got = columns[name].values.dtype.kind
            if isinstance(code, Numeric) and got not in "fi":
                raise ConfigError(
                    describe(
                        function,
                        name,
                        f"values of type {columns[name].values.dtype}",
                        "numbers, as in training",
                    )
                )
            _expect_finite(name, columns[name], function)
        parts = [code.encode(columns[name]) for name, code in self.codes.items()]
        for name, part in zip(self.codes, parts, strict=True):
            if not np.isfinite(part).all():
                raise ConfigError(
                    describe(
                        function,
                        name,
                        "a value that lies beyond float32 once standardised",
                        "values on the scale of training",
                    )
                )
        return np.concatenate(parts, axis=1)

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `from_json` reads."""
        return [
            {"name": name, "mean": code.mean, "deviation": code.deviation}
            if isinstance(code, Numeric)
            else {"name": name, "categories": list(code.categories)}
            for name, code in self.codes.items()
        ]

    @classmethod
    def from_json(cls, entries: Sequence[Mapping[str, Any]]) -> ColumnEncoder:
        """Return the encoder that `to_json` described."""
        codes = [(entry["name"], _from_json(entry)) for entry in entries]
        if len(dict(codes)) != len(codes):
            raise ConfigError(describe("ColumnEncoder", "name", "a column twice", "each once"))
        return cls(dict(codes))


def _from_json(entry: Mapping[str, Any]) -> Numeric | Categorical:
    here = "ColumnEncoder"
    names = [entry["name"], *entry.get("categories", ())]
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(describe(here, "name, categories", repr(names), "strings"))
    if "categories" in entry:
        return Categorical(tuple(entry["categories"]))
    mean = number(entry["mean"], here, "mean")
    return Numeric(mean, number(entry["deviation"], here, "deviation", positive=True))


def _expect_finite(name: str, column: Column, function: str) -> None:
    if column.values.dtype.kind != "f":
        return
    largest = np.abs(column.values[~column.null]).max(initial=0)
    if largest > np.finfo(np.float32).max:
        got = "infinity" if np.isinf(largest) else f"{largest}"
        expected = "finite numbers that float32 holds, or missing values"
        raise ConfigError(describe(function, name, got, expected))


def _learn(name: str, column: Column, function: str) -> Numeric | Categorical:
    present = column.values[~column.null]
    if column.values.dtype.kind in "fi":
        _expect_finite(name, column, function)
        mean = float(present.mean()) if len(present) else 0.0
        deviation = float(present.std()) if len(present) else 0.0
        return Numeric(mean, deviation or 1.0)
    if column.values.dtype.kind == "M":
        raise ConfigError(
            describe(
                function,
                name,
                "times",
                "numbers or categories",
                "Derive a number, such as a year, first.",
            )
        )
    categories, counts = np.unique(present.astype(str), return_counts=True)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MAX_CATEGORIES])
    return Categorical(tuple(categories[kept].tolist()))
