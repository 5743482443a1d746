"""Exceptions of relweave: each is also the built-in exception that fits.

Messages name the function, the argument, what came, what was expected and, where it helps, what to
do. The C++ core throws the same types; they arrive here as these classes.
"""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Iterable

__all__ = [
    "ConfigError",
    "CudaError",
    "DTypeError",
    "DeviceError",
    "Error",
    "GraphError",
    "IndexError",
    "IoError",
    "NotCompiledError",
    "NotFittedError",
    "ShapeError",
    "StoppedError",
]


class Error(Exception):
    """Base of every exception that relweave raises."""


class ShapeError(Error, ValueError):
    """An array has another shape than the call needs."""


class IndexError(Error, builtins.IndexError):
    """An id or index lies outside its range."""


class DTypeError(Error, TypeError):
    """Values have a type that the call cannot take."""


class DeviceError(Error, RuntimeError):
    """Memory lies on another device than the call needs."""


class GraphError(Error, ValueError):
    """A graph or schema contradicts itself."""


class CudaError(Error, RuntimeError):
    """The CUDA runtime reported an error."""


class NotCompiledError(Error, NotImplementedError):
    """Something was asked for that this build leaves out, such as CUDA."""


class IoError(Error, OSError):
    """A file or folder cannot be read or written, or does not hold what it should."""


class ConfigError(Error, ValueError):
    """A setting, column or value is not one that the call accepts."""


class StoppedError(Error, RuntimeError):
    """A progress function returned False before there was a result to keep."""


class NotFittedError(Error, ValueError, AttributeError):
    """The model has to be fitted (or loaded) first."""


def describe(function: str, argument: str, got: str, expected: str, remedy: str = "") -> str:
    """Return the one message form of every failed check, as the C++ core writes it.

    Examples
    --------
    >>> describe("Catalog", "id", "2 nulls", "an id in every row")
    'Catalog: id: got 2 nulls, expected an id in every row'
    """
    message = f"{function}: {argument}: got {got}, expected {expected}"
    return f"{message}. {remedy}" if remedy else message


def near_names(name: str, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """Return "Did you mean ...?" for a misspelt name, or nothing.

    Examples
    --------
    >>> near_names("usr", ["user", "item"])
    "Did you mean 'user'?"
    """
    close = difflib.get_close_matches(str(name), list(known), n=3, cutoff=cutoff)
    return f"Did you mean {' or '.join(map(repr, close))}?" if close else ""
