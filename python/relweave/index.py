"""Exact retrieval."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._arrays import Array, as_matrix
from .config import thread_count, whole


class ExactIndex:
    """Exact maximum-inner-product search, block by block.

    Parameters
    ----------
    vectors : (n, d) array
        Finite; stored as float32. Normalise the rows first to rank by cosine.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> index = rw.ExactIndex(np.eye(3, dtype="f4"))
    >>> items, scores = index.search(np.array([[0.1, 0.9, 0.5]], "f4"), k=2)
    >>> items
    array([[1, 2]], dtype=int32)
    """

    def __init__(self, vectors: Any) -> None:
        matrix = as_matrix(vectors, "ExactIndex: vectors")
        self._core = _core.ExactIndex(_float32(matrix))

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
        that are not finite.

        Examples
        --------
        >>> import numpy as np, relweave as rw
        >>> index = rw.ExactIndex(np.zeros((0, 3), "f4"))
        >>> index.add(np.eye(3, dtype="f4"))
        >>> len(index)
        3
        """
        self._core.add(_float32(as_matrix(vectors, "ExactIndex.add: vectors")))

    def search(
        self, queries: Any, *, k: int = 10, threads: int | None = None
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the k best rows per query, best first, ties to the lower row.

        Returns ids and scores, both (queries, k); with k beyond `len(self)` the last places hold -1
        and -infinity. Raises ShapeError for another dimension and ConfigError for k below 1 or
        queries that are not finite.
        """
        here = "ExactIndex.search"
        matrix = _float32(as_matrix(queries, f"{here}: queries"))
        ids, scores = self._core.search(
            matrix, k=whole(k, here, "k"), threads=thread_count(threads, here)
        )
        return ids, scores


def _float32(matrix: Array) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # the core refuses what float32 cannot hold
        return np.ascontiguousarray(matrix, np.float32)
