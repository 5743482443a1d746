"""Kernels on arrays: anything NumPy or DLPack on the CPU, float32 or float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _core
from ._arrays import Array, as_mapping, as_matrix, as_vector, expect_like
from .config import flag, thread_count
from .errors import ConfigError, ShapeError
from .graph import HeteroGraph, Relation, expect_graph

__all__ = ["linear", "relation_aggregate"]


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


def relation_aggregate(
    graph: HeteroGraph,
    *,
    dst: str,
    messages: Mapping[Relation, Any],
    self: Any = None,
    reduce: Literal["max", "mean", "sum"] = "max",
    activation: Literal["relu", "identity"] = "relu",
    l2_normalize: bool = False,
    return_arg: bool = False,
    implementation: Literal["cpu", "reference"] = "cpu",
    threads: int | None = None,
) -> Array | tuple[Array, dict[Relation, npt.NDArray[np.int64]]]:
    """Aggregate all relations into one node type in one call.

    ``out[d] = post(self[d] + sum_r reduce_{s in N_r(d)} messages[r][s])``, where an empty
    neighbourhood adds 0 and `post` is the activation, then division by the row's L2 norm if asked.

    Parameters
    ----------
    graph : HeteroGraph
    dst : str
        Node type that receives.
    messages : mapping of relation to (n_source, d) array
        One per relation into `dst`.
    self : (n_dst, d) array, optional
        Added before the activation.
    return_arg : bool
        Also return, for ``reduce="max"``, which neighbour won: per relation (n_dst, d) positions in
        the destination's list of neighbours, -1 for none.
    implementation : {"cpu", "reference"}
        The reference runs obvious loops in double precision on one thread.

    Returns
    -------
    (n_dst, d) array, or that and the winners.

    Raises
    ------
    ConfigError, DTypeError, ShapeError

    Notes
    -----
    The same bits for any number of threads. Source: De Nadai et al. 2024, eqs. 1-2
    (arXiv 2403.05185).

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
    if set(as_mapping(messages, f"{where}: messages")) != set(into):
        raise ConfigError(
            f"{where}: messages: got relations {list(messages)}, expected {list(into)}"
        )
    if activation not in ("relu", "identity"):
        raise ConfigError(f"{where}: activation: got {activation!r}, expected relu or identity")
    if implementation not in ("cpu", "reference"):
        raise ConfigError(
            f"{where}: implementation: got {implementation!r}, expected cpu or reference"
        )
    if flag(return_arg, where, "return_arg") and reduce != "max":
        raise ConfigError(f"{where}: return_arg: got True with reduce={reduce!r}, expected max")
    own = None if self is None else as_matrix(self, f"{where}: self")
    parts = [as_matrix(messages[r], f"{where}: messages[{r!r}]") for r in into]
    arrays = parts if own is None else [*parts, own]
    if len({(a.dtype, a.shape[1]) for a in arrays}) > 1:
        raise ShapeError(
            f"{where}: messages, self: got {sorted({(str(a.dtype), a.shape[1]) for a in arrays})}, "
            "expected one dtype and one number of columns"
        )
    for relation, part in zip(into, parts, strict=True):
        if part.shape[0] != graph.node_counts[relation[0]]:
            raise ShapeError(
                f"{where}: messages[{relation!r}]: got {part.shape[0]} rows, expected "
                f"{graph.node_counts[relation[0]]}, one per {relation[0]}"
            )
    if not arrays:
        raise ConfigError(f"{where}: self: got none, expected it for a type without relations")
    joined = (
        (np.concatenate(parts) if len(parts) != 1 else parts[0])
        if parts
        else np.zeros((0, arrays[0].shape[1]), arrays[0].dtype)
    )
    out: Array
    out, arg = _core.relation_aggregate(
        graph._core,
        graph.type_code(dst),
        joined,
        own,
        reduce=reduce,
        relu=activation == "relu",
        l2_normalize=flag(l2_normalize, where, "l2_normalize"),
        reference=implementation == "reference",
        threads=thread_count(threads, where),
    )
    if not return_arg:
        return out
    slots = arg.reshape(len(out), len(into), -1)
    return out, {r: slots[:, i] for i, r in enumerate(into)}
