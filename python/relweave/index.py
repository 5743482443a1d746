"""Exact retrieval."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._arrays import CUDA, Array, as_matrix, dlpack_device
from ._device import Matrix, result, taken_over
from .config import device_number, thread_count, whole
from .errors import ConfigError, describe


class ExactIndex:
    """Exact maximum-inner-product search, block by block.

    Parameters
    ----------
    vectors : (n, d) array
        Finite; stored as float32. Normalise the rows first to rank by cosine. Of the CPU, or
        float32 on the device.
    device : str
        "cpu", or "cuda" or "cuda:N" to keep the vectors on that GPU and search there.

    Raises
    ------
    ConfigError
        Vectors that are not finite, or an unknown device.
    NotCompiledError, DeviceError
        No CUDA in this build, no such device on this machine, or vectors on another one.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> index = rw.ExactIndex(np.eye(3, dtype="f4"))
    >>> items, scores = index.search(np.array([[0.1, 0.9, 0.5]], "f4"), k=2)
    >>> items
    array([[1, 2]], dtype=int32)
    """

    def __init__(self, vectors: Any, *, device: str = "cpu") -> None:
        here = "ExactIndex"
        self._device = device_number(device, here)
        matrix = self._placed(vectors, here, "vectors")
        self._core = _core.ExactIndex(matrix, device=self._device)

    def __len__(self) -> int:
        return int(self._core.size)

    def __repr__(self) -> str:
        return f"ExactIndex({len(self):,} vectors of {self.dimension} numbers)"

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return int(self._core.dimension)

    def add(self, vectors: Any) -> None:
        """Append vectors, (n, d), numbered from ``len(self)`` on.

        For a catalogue that comes in parts, or is too large to have twice in memory. Not while
        another thread searches. Raises ShapeError for another dimension and ConfigError for vectors
        that are not finite, or for an index on a GPU.

        Examples
        --------
        >>> import numpy as np, relweave as rw
        >>> index = rw.ExactIndex(np.zeros((0, 3), "f4"))
        >>> index.add(np.eye(3, dtype="f4"))
        >>> len(index)
        3
        """
        self._core.add(_float32(as_matrix(vectors, "ExactIndex.add: vectors")))

    def search(self, queries: Any, *, k: int = 10, threads: int | None = None) -> tuple[Any, Any]:
        """Return the k best rows per query, best first, ties to the lower row.

        Returns ids and scores, both (queries, k); with k beyond `len(self)` the last places hold -1
        and -infinity. They are arrays of NumPy, unless vectors or queries came as an array on the
        device: then they are `DeviceArray`. Queries on the device are trusted to be finite.

        Raises ShapeError for another dimension and ConfigError for queries that are not finite, for
        k below 1, and on a device for k above 2048.
        """
        here = "ExactIndex.search"
        matrix = self._placed(queries, here, "queries")
        ids, scores = self._core.search(
            matrix, k=whole(k, here, "k"), threads=thread_count(threads, here)
        )
        return result(ids), result(scores)

    def _placed(self, values: Any, here: str, argument: str) -> Matrix:
        if self._device >= 0 and dlpack_device(values)[0] == CUDA:
            return taken_over(values, self._device, here, argument)
        matrix = _float32(as_matrix(values, f"{here}: {argument}"))
        if self._device >= 0 and not np.isfinite(matrix).all():  # there nobody looks
            got = "values that are not finite"
            raise ConfigError(describe(here, argument, got, "finite numbers"))
        return matrix


def _float32(matrix: Array) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # the core refuses what float32 cannot hold
        return np.ascontiguousarray(matrix, np.float32)
