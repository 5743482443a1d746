"""Arrays on a CUDA device: those of other libraries as arguments, and `DeviceArray` as results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import CUDA, dlpack_device
from ._ids import matrix
from .config import device_number
from .errors import DeviceError, DTypeError, Error, ShapeError, describe

Matrix = NDArray[np.float32] | _core.DeviceArray
"""What the core takes."""


class DeviceArray:
    """A matrix in the memory of a CUDA device, as results of arrays that lie there.

    Any library that reads DLPack takes it without a copy: `torch.from_dlpack(x)`,
    `cupy.from_dlpack(x)`, `jax.dlpack.from_dlpack(x)`. Its values are complete before anybody sees
    it, so a consumer has nothing to wait for, on whatever stream it reads. It is an argument
    wherever other arrays on the device are.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        float32, or int32 for ids.
    device : str
        "cuda:0" for the first device.

    Examples
    --------
    On a machine with a GPU::

        index = rw.ExactIndex(vectors, device="cuda")  # vectors: a torch.Tensor there
        ids, scores = index.search(queries, k=10)
        best = torch.from_dlpack(scores)[:, 0]
        ids.numpy()
    """

    def __init__(self, core: _core.DeviceArray) -> None:
        self._core = core

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._core.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type."""
        return np.dtype(self._core.dtype)

    @property
    def device(self) -> str:
        """Where it is, as the `device` of a model."""
        return f"cuda:{self._core.device}"

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self.device!r})"

    def numpy(self) -> NDArray[Any]:
        """Return a copy in the memory of the CPU."""
        return self._core.numpy()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Refuse what NumPy would do in silence: copies between devices are asked for."""
        raise DeviceError(
            describe(
                "DeviceArray",
                "array",
                f"memory of {self.device}",
                "that of the CPU",
                "numpy() copies it there.",
            )
        )

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self._core.device

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Return a DLPack capsule that shares the memory, for a consumer on any stream.

        Parameters
        ----------
        stream : int, optional
            Not needed: the values are complete.
        max_version : tuple of int, optional
            From (1, 0) on, the capsule is a versioned one.
        dl_device : tuple of int, optional
            (2, n) for the device that it is on, or (1, 0) for a copy in the memory of the CPU.
        copy : bool, optional
            True for a copy; False refuses what would need one.

        Raises
        ------
        BufferError
            Another device, or one that needs a copy with `copy=False`.
        """
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            if tuple(dl_device) != (1, 0) or copy is False:
                raise BufferError(
                    describe(
                        "DeviceArray.__dlpack__",
                        "dl_device",
                        f"{tuple(dl_device)} with copy={copy}",
                        f"{self.__dlpack_device__()}, or a copy on (1, 0)",
                    )
                )
            return self.numpy().__dlpack__()
        source = self._core.copy() if copy else self._core
        versioned = max_version is not None and max_version[0] >= 1
        return source.to_dlpack(versioned=versioned, copied=bool(copy))


def matrix_on(
    values: Any, device: int, function: str, argument: str, rows: int | None, what: str
) -> Matrix:
    """Return features for the core, as they lie on `device`, or as `matrix` makes them.

    `device` is a number of `config.device_number`.
    """
    if device < 0 or dlpack_device(values)[0] != CUDA:
        return matrix(values, function, argument, rows, what)
    array = taken_over(values, device, function, argument)
    if array.shape[1] == 0 or (rows is not None and array.shape[0] != rows):
        expected = f"({'n' if rows is None else rows}, d), one row per {what}"
        raise ShapeError(describe(function, argument, f"shape {array.shape}", f"shape {expected}"))
    return array


def taken_over(values: Any, device: int, function: str, argument: str) -> _core.DeviceArray:
    """Return an array on a CUDA device for the core, which keeps it alive; nothing is copied."""
    where = int(dlpack_device(values)[1])
    if where != device:
        raise DeviceError(
            describe(
                function,
                argument,
                f"memory of cuda:{where}",
                f"that of cuda:{device}",
                f"Copy it there first, or ask for device='cuda:{where}'.",
            )
        )
    if isinstance(values, DeviceArray) and values.dtype == np.float32:
        return values._core
    try:
        return _core.DeviceArray.from_dlpack(
            values, device=device, function=function, argument=argument
        )
    except Error:
        raise
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        # "requires gradient", "conjugate bit": each library has its own words.
        raise DTypeError(
            describe(
                function,
                argument,
                f"a {type(values).__name__} that cannot be read ({error})",
                "a dense float32 matrix",
            )
        ) from error


def device_beside(device: str, function: str, kept: Matrix) -> int:
    """Return the number of `device`, which has to be where a fit left an array."""
    number = device_number(device, function)
    if isinstance(kept, _core.DeviceArray) and kept.device != number:
        raise DeviceError(
            describe(
                function,
                "device",
                repr(device),
                f"'cuda:{kept.device}', where the arrays are that the model was fitted on",
                "Fit it again, on arrays of the CPU.",
            )
        )
    return number


def together(device: int, *matrices: Matrix) -> tuple[Matrix, ...]:
    """Return matrices that all lie on the device if any of them does."""
    if not any(isinstance(m, _core.DeviceArray) for m in matrices):
        return matrices
    return tuple(
        m if isinstance(m, _core.DeviceArray) else _core.DeviceArray.upload(m, device=device)
        for m in matrices
    )


def rows_in(m: Matrix, order: NDArray[np.integer[Any]]) -> Matrix:
    """Return the rows of a matrix in another order."""
    return m.take(order.astype(np.int32)) if isinstance(m, _core.DeviceArray) else m[order]


def result(value: NDArray[Any] | _core.DeviceArray) -> Any:
    """Return what a caller gets for a result of the core: of NumPy, or a `DeviceArray`."""
    return DeviceArray(value) if isinstance(value, _core.DeviceArray) else value
