"""Arrays in files, in the safetensors format: no code in them, read by many libraries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from . import _core
from ._arrays import Array, as_array
from ._files import path_of
from .errors import ConfigError, DTypeError, describe

__all__ = ["Safetensors", "load_safetensors", "save_safetensors"]

_CODES = {
    np.dtype(kind): code
    for code, kind in {
        "BOOL": "?",
        "U8": "u1",
        "I8": "i1",
        "U16": "u2",
        "I16": "i2",
        "F16": "f2",
        "U32": "u4",
        "I32": "i4",
        "F32": "f4",
        "U64": "u8",
        "I64": "i8",
        "F64": "f8",
    }.items()
}
_DTYPES = {code: dtype.newbyteorder("<") for dtype, code in _CODES.items()}


class Safetensors(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    tensors : dict of str to ndarray
        In the order of the file's header; the arrays are writable and own their memory.
    metadata : dict of str to str
    """

    tensors: dict[str, Array]
    metadata: dict[str, str]


def save_safetensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays to a safetensors file, whole or not at all.

    A file of that name is replaced at once: readers see the old one or the new one.

    Parameters
    ----------
    path : path
    tensors : mapping of str to array
        NumPy or DLPack arrays on the CPU of any shape: bool, whole numbers of 8 to 64 bits, floats
        of 16, 32 or 64. Arrays that are not contiguous or not little-endian are copied first.
    metadata : mapping of str to str, optional

    Raises
    ------
    IoError
        The file cannot be written.
    ConfigError
        A name or metadata that is no text, or the reserved name ``__metadata__``.
    DeviceError, DTypeError

    Examples
    --------
    >>> import tempfile, numpy as np, relweave as rw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rw.io.save_safetensors(f"{folder}/w", {"w": np.eye(2)}, {"made by": "hand"})
    ...     tensors, metadata = rw.io.load_safetensors(f"{folder}/w")
    >>> tensors["w"], metadata
    (array([[1., 0.],
           [0., 1.]]), {'made by': 'hand'})
    """
    where = "save_safetensors"
    for argument, given in (("tensors", tensors), ("metadata", metadata or {})):
        if not isinstance(given, Mapping):
            raise DTypeError(describe(where, argument, type(given).__name__, "a mapping"))
    rows = []
    for name, value in tensors.items():
        label = f"{where}: tensors[{_text(name, where)!r}]"
        array = as_array(value, label)
        code = _CODES.get(array.dtype.newbyteorder("="))
        if code is None:
            raise DTypeError(
                f"{label}: got dtype {array.dtype}, expected one of {', '.join(map(str, _CODES))}"
            )
        rows.append((name, code, np.asarray(array, dtype=_DTYPES[code], order="C")))
    texts = {_text(k, where): _text(v, where) for k, v in (metadata or {}).items()}
    _core.write_safetensors(path_of(path, where, "file"), rows, texts)


def load_safetensors(path: str | os.PathLike[str]) -> Safetensors:
    """Read a safetensors file and check it strictly.

    Parameters
    ----------
    path : path

    Returns
    -------
    Safetensors
        ``(tensors, metadata)``. Tensors of type BF16, which NumPy lacks, become float32: the same
        values.

    Raises
    ------
    IoError
        The file cannot be read, is cut off, is of another format, or contradicts itself: data
        beyond the file, gaps or overlaps, a shape of another size than its data, a name given
        twice, an element type that is not supported. The message names the file and the defect.
    """
    tensors, metadata = _core.read_safetensors(path_of(path, "load_safetensors", "file"))
    arrays = {name: _decode(code, shape, data) for name, code, shape, data in tensors}
    return Safetensors(arrays, metadata)


def _decode(code: str, shape: list[int], data: Array) -> Array:
    if code == "BF16":  # the upper half of a float32
        wide = data.view("<u2").astype("<u4") << np.uint32(16)
        return wide.view("<f4").reshape(shape)
    return data.view(_DTYPES[code]).reshape(shape)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{where}: names and metadata: got {value!r}, expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{where}: names and metadata: got {value!r}, expected text of whole characters"
        ) from error
    return value
