"""Losses with their gradients, for training loops of one's own.

Each takes scores as NumPy or DLPack arrays on the CPU, float32 or float64, and returns the loss
with the gradient of every score. Chain them with `rw.nn` by the scores' own derivatives: for
``score = a @ b``, the gradient of ``a`` is the score's gradient times ``b``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _core
from ._arrays import Array, as_indices, as_matrix, as_vector, expect_like
from .config import number, thread_count

__all__ = ["PairwiseLoss", "ScoreLoss", "bpr", "dot_product", "margin", "sampled_softmax"]


class PairwiseLoss(NamedTuple):
    """A loss of positive and negative scores.

    Attributes
    ----------
    value : float
    grad_positive : (n,) array
    grad_negative : (n, m) array
    """

    value: float
    grad_positive: Array
    grad_negative: Array


class ScoreLoss(NamedTuple):
    """A loss of a score matrix.

    Attributes
    ----------
    value : float
    grad_scores : (n, m) array
    """

    value: float
    grad_scores: Array


def margin(
    positive: Any, negative: Any, *, margin: float = 0.3, threads: int | None = None
) -> PairwiseLoss:
    """Return the mean hinge of negatives above positives: the loss of the graph network.

    ``mean_{i,j} max(0, negative[i, j] - positive[i] + margin)``

    Parameters
    ----------
    positive : (n,) array
        Score of each example's linked pair.
    negative : (n, m) array
        Scores of its random pairs.
    margin : float
    threads : int, optional

    Raises
    ------
    ConfigError, DeviceError, DTypeError, ShapeError
        ShapeError for no example or no negative too.

    Notes
    -----
    A score that is NaN makes the loss NaN. The same bits for any number of threads.
    Source: De Nadai et al. 2024, eq. 4 (arXiv 2403.05185).

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> loss = rw.loss.margin(np.array([0.9, 0.5]), np.array([[0.7, 0.1], [0.4, 0.6]]))
    >>> round(loss.value, 6)
    0.175
    >>> loss.grad_positive
    array([-0.25, -0.5 ])
    """
    arrays = _pairwise("margin", positive, negative)
    count = thread_count(threads, "margin")
    return PairwiseLoss(
        *_core.loss.margin(*arrays, margin=number(margin, "margin", "margin"), threads=count)
    )


def bpr(positive: Any, negative: Any, *, threads: int | None = None) -> PairwiseLoss:
    """Return Bayesian personalized ranking's mean of ``log(1 + exp(negative - positive))``.

    Parameters
    ----------
    positive : (n,) array
        Score of each example's positive.
    negative : (n, m) array
        Scores of its negatives.
    threads : int, optional

    Raises
    ------
    ConfigError, DeviceError, DTypeError, ShapeError
        ShapeError for no example or no negative too.

    Notes
    -----
    Finite for all finite scores; a score that is NaN makes the loss NaN. The same bits for any
    number of threads. Source: Rendle et al. 2009, section 4.1 (arXiv 1205.2618), without its
    regulariser: weight decay is the optimiser's.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> loss = rw.loss.bpr(np.zeros(1), np.zeros((1, 2)))
    >>> round(loss.value, 4), loss.grad_negative
    (0.6931, array([[0.25, 0.25]]))
    """
    arrays = _pairwise("bpr", positive, negative)
    return PairwiseLoss(*_core.loss.bpr(*arrays, threads=thread_count(threads, "bpr")))


def sampled_softmax(
    scores: Any,
    target: Any,
    log_q: Any,
    *,
    count: Any = None,
    row_weights: Any = None,
    temperature: float = 0.05,
    correction: float = 1.0,
    threads: int | None = None,
) -> ScoreLoss:
    """Return the softmax cross entropy over the items of a batch, corrected for their popularity.

    ``logits[i, j] = scores[i, j] / temperature - correction * log_q[j] + log(count[j])`` for
    ``j != target[i]``, the target's without its count, and the loss is the weighted mean over i of
    ``-log softmax(logits[i])[target[i]]``.

    Parameters
    ----------
    scores : (n, m) array
        Of n users and the m different items of the batch.
    target : (n,) array of int
        The column of each row's positive.
    log_q : (m,) array
        Logarithm of the probability that a batch holds the column's item; zeros for no correction.
        Frequent items are negatives often: without the correction they are pushed down.
    count : (m,) array, optional
        How often the item is in the batch, above 0; all once by default. With the counts, the loss
        is that of n columns, one per row, in which other copies of the positive are masked.
    row_weights : (n,) array, optional
        All 1 by default.
    temperature : float
    correction : float
        Share of `log_q` that is subtracted.
    threads : int, optional

    Raises
    ------
    ConfigError, DeviceError, DTypeError, ShapeError
    IndexError
        A target outside the columns.

    Notes
    -----
    A score that is NaN makes the loss NaN. The same bits for any number of threads.
    Source: Yi et al. 2019, Sampling-Bias-Corrected Neural Modeling, eqs. 3-5 (RecSys).

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> users, items = np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> q = np.array([0.5, 0.2, 0.3])
    >>> loss = rw.loss.sampled_softmax(users @ items.T, [0, 2], np.log(q), temperature=0.5)
    >>> round(loss.value, 4), loss.grad_scores.shape
    (0.9737, (2, 3))
    """
    where = "sampled_softmax"
    s = as_matrix(scores, f"{where}: scores")
    rows, columns = s.shape
    value, grad = _core.loss.sampled_softmax(
        s,
        _targets(target, where, rows, columns),
        _like(log_q, f"{where}: log_q", columns, s),
        count=None if count is None else _like(count, f"{where}: count", columns, s),
        row_weights=(
            None if row_weights is None else _like(row_weights, f"{where}: row_weights", rows, s)
        ),
        temperature=number(temperature, where, "temperature"),
        correction=number(correction, where, "correction"),
        threads=thread_count(threads, where),
    )
    return ScoreLoss(value, grad)


def dot_product(scores: Any, target: Any, weights: Any, *, threads: int | None = None) -> ScoreLoss:
    """Return the papers' two-tower loss: weighted mean of the negatives minus the positive.

    ``mean_i (sum_{j != t} weights[j] scores[i, j] / sum_{j != t} weights[j] - scores[i, t])`` with
    ``t = target[i]``.

    Parameters
    ----------
    scores : (n, m) array
        Dot products of unit vectors, of n users and m items.
    target : (n,) array of int
        The column of each row's positive.
    weights : (m,) array
        Of each item as a negative: the inverse of its popularity, times its copies in the batch.
    threads : int, optional

    Raises
    ------
    ConfigError, DeviceError, DTypeError, ShapeError
        ConfigError for a weight that is negative or NaN; ShapeError for no row too.
    IndexError
        A target outside the columns.

    Warnings
    --------
    Linear in the scores, so unbounded below: training diverges unless something bounds the scores.
    Unit vectors keep the loss in [-2, 2].

    Notes
    -----
    A score that is NaN makes the loss NaN. The same bits for any number of threads.
    Source: De Nadai et al. 2024, eq. 5 (arXiv 2403.05185).

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> loss = rw.loss.dot_product(np.array([[0.5, 0.25, 0.75]]), [0], np.array([1.0, 1.0, 3.0]))
    >>> loss.value, loss.grad_scores
    (0.125, array([[-1.  ,  0.25,  0.75]]))
    """
    where = "dot_product"
    s = as_matrix(scores, f"{where}: scores")
    rows, columns = s.shape
    value, grad = _core.loss.dot_product(
        s,
        _targets(target, where, rows, columns),
        _like(weights, f"{where}: weights", columns, s),
        threads=thread_count(threads, where),
    )
    return ScoreLoss(value, grad)


def _pairwise(where: str, positive: Any, negative: Any) -> tuple[Array, Array]:
    p = as_vector(positive, f"{where}: positive")
    n = as_matrix(negative, f"{where}: negative")
    return p, expect_like(n, f"{where}: negative", (len(p), n.shape[1]), p.dtype)


def _like(value: Any, where: str, size: int, scores: Array) -> Array:
    return expect_like(as_vector(value, where), where, (size,), scores.dtype)


def _targets(target: Any, where: str, rows: int, columns: int) -> Array:
    indices = as_indices(target, f"{where}: target", columns)
    return expect_like(indices, f"{where}: target", (rows,), indices.dtype)
