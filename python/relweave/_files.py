"""Paths, and CSV and Parquet files as columns for the command line."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ._frames import Array
from .errors import DTypeError, IoError, describe


def path_of(path: Any, function: str, what: str) -> str:
    """Return a path as text that the system and messages can take."""
    try:
        name = os.fsdecode(path)
        name.encode()
    except TypeError:
        raise DTypeError(describe(function, "path", type(path).__name__, "a path")) from None
    except UnicodeEncodeError:
        raise IoError(describe(function, "path", ascii(name), "a path in UTF-8")) from None
    if not name or "\0" in name:
        raise IoError(describe(function, "path", ascii(name), f"the path of a {what}"))
    return name


def read_table(path: str, function: str, as_text: Collection[str] = ()) -> Any:
    """Return a frame or a dict of columns; columns in `as_text` stay strings.

    CSV needs nothing else; in it, a column is numeric when every cell is a number written the way
    Python writes it (so "007" stays a string), and an empty cell is missing. Parquet needs pyarrow
    or polars.
    """
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path, function)
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise IoError(
            describe(function, path, str(error), "a readable CSV or Parquet file")
        ) from error
    if not rows:
        raise IoError(describe(function, path, "an empty file", "a CSV file with a header"))
    head = rows[0]
    if len(set(head)) != len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise IoError(
            describe(function, path, f"a header with {twice!r} twice", "a name for each column")
        )
    uneven = next((n for n, row in enumerate(rows, start=1) if len(row) != len(head)), None)
    if uneven is not None:
        raise IoError(
            describe(
                function,
                f"{path}, row {uneven}",
                f"{len(rows[uneven - 1])} cells",
                f"{len(head)} cells, as in the header",
            )
        )
    if any(cell.endswith("\0") for row in rows for cell in row):  # NumPy would drop it
        raise IoError(describe(function, path, "a cell that ends with a NUL", "cells of text"))
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else ((),) * len(head)
    return {
        name: _typed(np.array(cells, dtype=str), text=name in as_text)
        for name, cells in zip(head, columns, strict=True)
    }


def _typed(cells: Array, *, text: bool) -> Array:
    empty = cells == ""
    if not text and not empty.all():
        present = cells[~empty]
        if np.isin(present, ["True", "False", "true", "false"]).all() and not empty.any():
            return np.asarray(np.char.lower(cells) == "true")
        for kind in (np.int64, np.float64):
            try:
                numbers = present.astype(kind)
            except (ValueError, OverflowError):
                continue
            if kind is np.int64 and not (numbers.astype(str) == present).all():
                break  # leading zeros or signs carry meaning in ids
            if kind is np.int64 and not empty.any():
                return np.asarray(numbers)
            values = np.full(len(cells), np.nan)
            values[~empty] = numbers
            return values
    if not empty.any():
        return cells
    values = cells.astype(object)
    values[empty] = None
    return values


def _read_parquet(path: str, function: str) -> Any:
    readers = (("pyarrow.parquet", "read_table"), ("polars", "read_parquet"))
    for module, reader in readers:
        try:
            read = getattr(__import__(module, fromlist=[reader]), reader)
        except ImportError:
            continue
        try:
            return read(path)
        except Exception as error:  # each reader has its own exceptions
            raise IoError(
                describe(function, path, str(error), "a readable Parquet file")
            ) from error
    raise IoError(
        describe(
            function,
            path,
            "a Parquet file",
            "a CSV file, since pyarrow is not installed",
            "pip install 'relweave[pandas]'",
        )
    )


def read_vectors(path: str, function: str) -> Array:
    """Return the array of a .npy file; no pickles."""
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise IoError(describe(function, path, str(error), "a .npy file of numbers")) from error
    if not isinstance(array, np.ndarray):
        raise IoError(describe(function, path, "an archive", "a .npy file with one array"))
    return array
