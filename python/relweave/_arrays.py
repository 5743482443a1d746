"""Arrays of other libraries as NumPy arrays that the core reads in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DeviceError, DTypeError, IndexError, ShapeError

Array = npt.NDArray[Any]

CUDA = 2
"""DLPack's device type of CUDA memory that the processor does not read."""

_HOST = (1, 3, 11, 13)
"""DLPack's device types whose memory the processor reads: CPU, and CUDA's and ROCm's host memory
and managed memory."""


def dlpack_device(value: Any) -> tuple[int, int]:
    """Return DLPack's type and number of the device that an array is on; the CPU's for others."""
    if not isinstance(value, np.ndarray) and hasattr(value, "__dlpack_device__"):
        try:
            kind, number = value.__dlpack_device__()
            return int(kind), int(number)
        except (AttributeError, BufferError, RuntimeError, TypeError, ValueError):
            pass  # whoever reads it says what is wrong
    return _HOST[0], 0


def expect_host(value: Any, where: str) -> None:
    """Raise DeviceError for memory that the processor cannot read."""
    device = dlpack_device(value)[0]
    if device not in _HOST:
        raise DeviceError(
            f"{where}: got memory of DLPack device type {device}, expected that of the CPU. "
            "Copy it there first."
        )


def as_array(value: Any, where: str) -> Array:
    """Return an array without a copy where there is one: NumPy, DLPack or the buffer protocol.

    `where` is "function: argument", for messages.
    """
    if isinstance(value, np.ndarray) or not hasattr(value, "__dlpack__"):
        try:
            return np.asarray(value)
        except (TypeError, ValueError) as error:  # rows of unequal length, a class that refuses
            raise DTypeError(
                f"{where}: got a {type(value).__name__} that is no array ({error}), expected an "
                "array of numbers"
            ) from error
    expect_host(value, where)
    try:
        return np.from_dlpack(value)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        # "requires gradient", "sparse layout", "bfloat16": each library has its own words.
        raise DTypeError(
            f"{where}: got a {type(value).__name__} that cannot be read ({error}), expected a "
            "dense array of numbers"
        ) from error


def as_mapping(value: Any, where: str) -> Mapping[Any, Any]:
    """Return a mapping. Raises DTypeError for anything else."""
    if not isinstance(value, Mapping):
        raise DTypeError(f"{where}: got a {type(value).__name__}, expected a mapping")
    return value


def as_floats(value: Any, where: str, ndim: int) -> Array:
    """Return a C-contiguous float32 or float64 array, without a copy if `value` is one."""
    array = as_array(value, where)
    if array.dtype not in (np.float32, np.float64):
        raise DTypeError(f"{where}: got dtype {array.dtype}, expected float32 or float64")
    if array.ndim != ndim:
        raise ShapeError(f"{where}: got {array.ndim} dimensions, expected {ndim}")
    return np.ascontiguousarray(array)


def as_matrix(value: Any, where: str) -> Array:
    """Return a C-contiguous float32 or float64 matrix, without a copy if `value` is one."""
    return as_floats(value, where, 2)


def as_vector(value: Any, where: str) -> Array:
    """Return a C-contiguous float32 or float64 vector, without a copy if `value` is one."""
    return as_floats(value, where, 1)


def as_indices(value: Any, where: str, limit: int) -> npt.NDArray[np.int32]:
    """Return a vector of positions below `limit` as int32, without a copy if `value` is one."""
    array = as_array(value, where)
    if array.ndim != 1:
        raise ShapeError(f"{where}: got {array.ndim} dimensions, expected 1")
    if array.size and array.dtype.kind not in "iu":
        raise DTypeError(f"{where}: got dtype {array.dtype}, expected whole numbers")
    outside = np.flatnonzero((array < 0) | (array >= limit))
    if outside.size:
        position = int(outside[0])
        raise IndexError(
            f"{where}: got {array[position]} at position {position}, expected values in "
            f"[0, {limit})"
        )
    return np.ascontiguousarray(array, np.int32)


def expect_like(value: Array, where: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return `value`. Raises ShapeError or DTypeError unless it has this shape and type."""
    if value.shape != shape:
        raise ShapeError(f"{where}: got shape {value.shape}, expected {shape}")
    if value.dtype != dtype:
        raise DTypeError(f"{where}: got dtype {value.dtype}, expected {dtype}")
    return value
