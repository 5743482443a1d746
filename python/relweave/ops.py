"""Kernels on arrays: anything NumPy or DLPack on the CPU, float32 or float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from . import _core
from ._arrays import Array, as_matrix, as_vector, expect_like
from .config import flag, thread_count
from .errors import ConfigError, DTypeError, ShapeError
from .graph import HeteroGraph, Relation, expect_graph

__all__ = ["AggregateCache", "linear", "relation_aggregate", "relation_aggregate_backward"]


def linear(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: Literal["relu", "identity"] = "identity",
    threads: int | None = None,
) -> Array:
    """Apply a dense layer: ``activation(x @ weight + bias)``.

    Parameters
    ----------
    x : (m, k) array
    weight : (k, n) array
        Of the type of `x`. PyTorch's ``Linear`` keeps the transpose, (n, k).
    bias : (n,) array, optional
    activation : {"relu", "identity"}
    threads : int, optional

    Returns
    -------
    (m, n) array of the type of `x`.

    Raises
    ------
    ConfigError, DeviceError, DTypeError, ShapeError

    Notes
    -----
    A row of the result depends, bit by bit, on its row of `x` alone: not on the rows around it or
    the number of threads. NaN passes relu. What is not C-contiguous is copied first.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> x = np.array([[1.0, 2.0], [-1.0, 0.0]])
    >>> weight = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    >>> rw.ops.linear(x, weight, np.array([0.5, 0.0, -1.0]), activation="relu")
    array([[1.5, 2. , 0. ],
           [0. , 0. , 0. ]])
    """
    where = "linear"
    if activation not in ("relu", "identity"):
        raise ConfigError(f"{where}: activation: got {activation!r}, expected relu or identity")
    rows = as_matrix(x, f"{where}: x")
    w = as_matrix(weight, f"{where}: weight")
    expect_like(w, f"{where}: weight", (rows.shape[1], w.shape[1]), rows.dtype)
    b = None if bias is None else as_vector(bias, f"{where}: bias")
    if b is not None:
        expect_like(b, f"{where}: bias", (w.shape[1],), rows.dtype)
    relu = activation == "relu"
    out: Array = _core.linear(rows, w, b, relu=relu, threads=thread_count(threads, where))
    return out


@dataclass(frozen=True)
class AggregateCache:
    """What `relation_aggregate` keeps for `relation_aggregate_backward`.

    Its output is read again, not copied: leave it as it is until then.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    message_rows: Mapping[Relation, int]
    _core: Any


def relation_aggregate(
    graph: HeteroGraph,
    *,
    dst: str,
    messages: Mapping[Relation, Any] | Any,
    self: Any = None,
    reduce: Literal["max", "mean", "sum"] = "max",
    activation: Literal["relu", "identity"] = "relu",
    l2_normalize: bool = False,
    return_arg: bool = False,
    return_cache: bool = False,
    implementation: Literal["cpu", "reference"] = "cpu",
    threads: int | None = None,
) -> Any:
    """Aggregate all relations into one node type in one call.

    ``out[d] = post(self[d] + sum_r reduce_{s in N_r(d)} messages[r][s])``, where an empty
    neighbourhood adds 0 and `post` is the activation, then division by the row's L2 norm if asked.

    Parameters
    ----------
    graph : HeteroGraph
    dst : str
        Node type that receives.
    messages : mapping of relation to (n_source, d) array
        One per relation into `dst`. Or one array with the rows of all of them, in the order of
        ``graph.relations_into(dst)``, which saves a copy.
    self : (n_dst, d) array, optional
        Added before the activation.
    return_arg : bool
        Also return, for ``reduce="max"``, which neighbour won: per relation (n_dst, d) positions in
        the destination's list of neighbours, -1 for none.
    return_cache : bool
        Also return, last, what `relation_aggregate_backward` needs.
    implementation : {"cpu", "reference"}
        The reference runs obvious loops in double precision on one thread.

    Returns
    -------
    (n_dst, d) array, or a tuple of that and what else was asked for.

    Raises
    ------
    ConfigError, DTypeError, ShapeError

    Notes
    -----
    The same bits for any number of threads. NaN wins a maximum over any number, passes relu, and
    reaches the rows that read it alone. Source: De Nadai et al. 2024, eqs. 1-2 (arXiv 2403.05185).

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> follows = ("user", "follows", "user")
    >>> g = rw.HeteroGraph({"user": 3}, {follows: ([0, 1, 2], [2, 2, 0])})
    >>> z = np.array([[1.0, 5.0], [3.0, 2.0], [4.0, 4.0]])
    >>> rw.ops.relation_aggregate(g, dst="user", messages={follows: z})
    array([[4., 4.],
           [0., 0.],
           [3., 5.]])
    """
    where = "relation_aggregate"
    into = expect_graph(graph, f"{where}: graph").relations_into(dst)
    if activation not in ("relu", "identity"):
        raise ConfigError(f"{where}: activation: got {activation!r}, expected relu or identity")
    if implementation not in ("cpu", "reference"):
        raise ConfigError(
            f"{where}: implementation: got {implementation!r}, expected cpu or reference"
        )
    if flag(return_arg, where, "return_arg") and reduce != "max":
        raise ConfigError(f"{where}: return_arg: got True with reduce={reduce!r}, expected max")
    own = None if self is None else as_matrix(self, f"{where}: self")
    rows = {relation: graph.node_counts[relation[0]] for relation in into}
    joined = _joined(messages, rows, own)
    out, core = _core.relation_aggregate(
        graph._core,
        graph.type_code(dst),
        joined,
        own,
        reduce=reduce,
        relu=activation == "relu",
        l2_normalize=flag(l2_normalize, where, "l2_normalize"),
        reference=implementation == "reference",
        keep=flag(return_cache, where, "return_cache") or return_arg,
        threads=thread_count(threads, where),
    )
    result: list[Any] = [out]
    if return_arg:
        slots = core.arg().reshape(len(out), len(into), -1)
        result.append({r: slots[:, i] for i, r in enumerate(into)})
    if return_cache:
        result.append(AggregateCache(out.shape, out.dtype, rows, core))
    return tuple(result) if len(result) > 1 else out


def relation_aggregate_backward(
    cache: AggregateCache, grad_out: Any, *, threads: int | None = None
) -> tuple[dict[Relation, Array], Array | None]:
    """Differentiate `relation_aggregate`: gradients of its messages and of its own term.

    Parameters
    ----------
    cache : AggregateCache
        Of ``relation_aggregate(..., return_cache=True)``; may be used again.
    grad_out : (n_dst, d) array
        Gradient of the output, of its type.
    threads : int, optional

    Returns
    -------
    The gradients of the messages, (n_source, d) per relation, parts of one array; and that of
    `self`, (n_dst, d), or None where there was none.

    Raises
    ------
    ConfigError, DTypeError, ShapeError

    Notes
    -----
    For max the winner takes all of the gradient, the first of equals. The same bits for any number
    of threads.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> follows = ("user", "follows", "user")
    >>> g = rw.HeteroGraph({"user": 3}, {follows: ([0, 1, 2], [2, 2, 0])})
    >>> z = np.array([[1.0, 5.0], [3.0, 2.0], [4.0, 4.0]])
    >>> out, cache = rw.ops.relation_aggregate(
    ...     g, dst="user", messages={follows: z}, return_cache=True
    ... )
    >>> grad_messages, _ = rw.ops.relation_aggregate_backward(cache, np.ones_like(out))
    >>> grad_messages[follows]
    array([[0., 1.],
           [1., 0.],
           [1., 1.]])
    """
    where = "relation_aggregate_backward"
    if not isinstance(cache, AggregateCache):
        raise DTypeError(
            f"{where}: cache: got {type(cache).__name__}, expected an AggregateCache. "
            "relation_aggregate(..., return_cache=True) returns it."
        )
    gradient = as_matrix(grad_out, f"{where}: grad_out")
    expect_like(gradient, f"{where}: grad_out", cache.shape, cache.dtype)
    joined, own = cache._core.backward(gradient, threads=thread_count(threads, where))
    ends = np.cumsum(list(cache.message_rows.values()), dtype=np.int64)
    parts = np.split(joined, ends[:-1])
    return dict(zip(cache.message_rows, parts, strict=False)), own


def _joined(messages: Any, rows: Mapping[Relation, int], own: Array | None) -> Array:
    """Return the messages of all relations as one array, checked against the own term."""
    where = "relation_aggregate"
    if not isinstance(messages, Mapping):
        joined = as_matrix(messages, f"{where}: messages")
        if len(joined) != sum(rows.values()):
            raise ShapeError(
                f"{where}: messages: got {len(joined)} rows, expected {sum(rows.values())}, one "
                f"per relation and source of {list(rows)}"
            )
        parts = [joined]
    else:
        if set(messages) != set(rows):
            raise ConfigError(
                f"{where}: messages: got relations {list(messages)}, expected {list(rows)}"
            )
        parts = [as_matrix(messages[r], f"{where}: messages[{r!r}]") for r in rows]
        for relation, part in zip(rows, parts, strict=True):
            if len(part) != rows[relation]:
                raise ShapeError(
                    f"{where}: messages[{relation!r}]: got {len(part)} rows, expected "
                    f"{rows[relation]}, one per {relation[0]}"
                )
    arrays = parts if own is None else [*parts, own]
    kinds = {(a.dtype, a.shape[1]) for a in arrays}
    if len(kinds) > 1:
        raise ShapeError(
            f"{where}: messages, self: got {sorted((str(d), c) for d, c in kinds)}, "
            "expected one dtype and one number of columns"
        )
    if not arrays:
        raise ConfigError(f"{where}: self: got none, expected it for a type without relations")
    if not parts:
        return np.zeros((0, arrays[0].shape[1]), arrays[0].dtype)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
