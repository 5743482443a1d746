"""Layers for those who bring their own graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from . import _core
from ._arrays import Array, as_array, as_mapping, as_matrix
from ._schema import Schema
from .config import flag, seed_of, thread_count, whole
from .errors import ConfigError, DTypeError, ShapeError
from .graph import HeteroGraph, expect_graph

_WIDEST = 2**20  # features of a layer: products of two stay far inside 64 bits


class HeteroSAGE:
    """Heterogeneous max-pool GraphSAGE of any depth over any node types and relations.

    Messages are ``m_r(s) = relu(h_s W_r + b_r)``, updates
    ``h'_d = act(h_d W_type(d) + sum_r reduce_{s in N_r(d)} m_r(s))``, with relu between layers and
    the identity, then division by the L2 norm, after the last.

    Parameters
    ----------
    schema : Schema
        Node types and relations, as `HeteroGraph.schema` has them (a graph counts as its schema);
        any graph with this schema can be passed later.
    in_features : mapping of str to int
        Input features of each node type.
    hidden : int or sequence of int
        Output features of every layer.
    layers : int
        Number of layers when `hidden` is one number.
    reduce : {"max", "mean", "sum"}
    l2_normalize : bool
        Scale the rows of the last layer to unit length.
    share_directions : bool
        One weight for (a, name, b) and (b, name, a), as for an undirected graph.
    dtype : numpy dtype
        float32 for work, float64 for gradient checks.
    seed : int
    threads : int, optional

    Raises
    ------
    ConfigError, DTypeError
        Features for other types than the schema's, or a setting out of range.

    Notes
    -----
    `backward` differentiates the last call, whose inputs are read again, not copied: leave them as
    they are until then. The same bits for any number of threads. Source: Damianou et al. 2024
    (arXiv 2403.07478); De Nadai et al. 2024, eqs. 1-3 (arXiv 2403.05185).

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> g = rw.HeteroGraph({"user": 4, "item": 3}, {("user", "rates", "item"): ([0, 3], [1, 2])})
    >>> net = rw.nn.HeteroSAGE(g.schema, {"user": 5, "item": 2}, hidden=8, layers=2)
    >>> out = net(g, {"user": np.ones((4, 5), "f4"), "item": np.ones((3, 2), "f4")})
    >>> out["item"].shape
    (3, 8)
    """

    def __init__(
        self,
        schema: Schema | HeteroGraph,
        in_features: Mapping[str, int],
        *,
        hidden: int | Sequence[int] = 64,
        layers: int = 2,
        reduce: Literal["max", "mean", "sum"] = "max",
        l2_normalize: bool = True,
        share_directions: bool = False,
        dtype: npt.DTypeLike = np.float32,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        here = "HeteroSAGE"
        names = schema.schema if isinstance(schema, HeteroGraph) else schema
        if not isinstance(names, Schema):
            raise ConfigError(f"HeteroSAGE: schema: got {schema!r}, expected a Schema")
        self.schema: Schema = names
        self.node_types = self.schema.node_types
        if set(as_mapping(in_features, f"{here}: in_features")) != set(self.node_types):
            raise ConfigError(
                f"HeteroSAGE: in_features: got types {list(in_features)}, expected "
                f"{sorted(self.node_types)}"
            )
        if reduce not in ("max", "mean", "sum"):
            raise ConfigError(f"HeteroSAGE: reduce: got {reduce!r}, expected max, mean or sum")
        self.dtype = _float_type(dtype)
        self.threads = thread_count(threads, here)
        sizes = _sizes(hidden, whole(layers, here, "layers"))
        make = _core.HeteroSageFloat32 if self.dtype == np.float32 else _core.HeteroSageFloat64
        self._core = make(
            self.schema._core,
            in_features=[
                whole(in_features[t], here, f"in_features[{t!r}]", highest=_WIDEST)
                for t in self.node_types
            ],
            out_features=sizes,
            reduce=reduce,
            l2_normalize=flag(l2_normalize, here, "l2_normalize"),
            share_directions=flag(share_directions, here, "share_directions"),
            seed=seed_of(seed, here),
        )

    def parameters(self) -> dict[str, Array]:
        """Return the weights by name; the arrays are views, writing to them changes the network."""
        return dict(self._core.parameters())

    def gradients(self) -> dict[str, Array]:
        """Return the gradients of the last `backward` by name, as views."""
        return dict(self._core.gradients())

    def load_parameters(self, values: Mapping[str, Any]) -> None:
        """Copy weights in. A mismatch raises ConfigError, ShapeError or DTypeError."""
        own = self.parameters()
        if set(as_mapping(values, "HeteroSAGE.load_parameters: values")) != set(own):
            raise ConfigError(
                f"HeteroSAGE.load_parameters: values: got {list(values)}, expected {list(own)}"
            )
        arrays = {
            name: as_array(value, f"HeteroSAGE.load_parameters: {name}")
            for name, value in values.items()
        }
        for name, array in arrays.items():
            if array.dtype.kind != "f":
                raise DTypeError(
                    f"HeteroSAGE.load_parameters: {name}: got dtype {array.dtype}, expected "
                    f"{own[name].dtype}"
                )
            if array.shape != own[name].shape:
                raise ShapeError(
                    f"HeteroSAGE.load_parameters: {name}: got shape {array.shape}, expected "
                    f"{own[name].shape}"
                )
        for name, array in arrays.items():
            own[name][...] = array

    def __call__(self, graph: HeteroGraph, features: Mapping[str, Any]) -> dict[str, Array]:
        """Compute all nodes' vectors by type, (n, hidden), from (n, in_features) by type."""
        expect_graph(graph, "HeteroSAGE: graph")
        inputs = self._matrices(features, "features")
        return dict(
            zip(
                self.node_types,
                self._core.forward(graph._core, inputs, threads=self.threads),
                strict=True,
            )
        )

    def backward(self, grad_outputs: Mapping[str, Any]) -> dict[str, Array]:
        """Return the gradients of the last call's inputs by type; `gradients` has the weights'."""
        grads = self._matrices(grad_outputs, "grad_outputs")
        return dict(
            zip(self.node_types, self._core.backward(grads, threads=self.threads), strict=True)
        )

    def _matrices(self, values: Mapping[str, Any], argument: str) -> list[Array]:
        if set(as_mapping(values, f"HeteroSAGE: {argument}")) != set(self.node_types):
            raise ConfigError(
                f"HeteroSAGE: {argument}: got types {list(values)}, expected "
                f"{sorted(self.node_types)}"
            )
        result = []
        for t in self.node_types:
            matrix = as_matrix(values[t], f"HeteroSAGE: {argument}[{t!r}]")
            if matrix.dtype != self.dtype:
                raise DTypeError(
                    f"HeteroSAGE: {argument}[{t!r}]: got {matrix.dtype}, expected {self.dtype}"
                )
            result.append(matrix)
        return result


def _sizes(hidden: Any, layers: int) -> list[int]:
    """Return the output features of every layer from one number or one per layer."""
    listed = isinstance(hidden, Sequence | np.ndarray) and not isinstance(hidden, str)
    sizes = list(hidden) if listed else [hidden] * layers
    return [whole(size, "HeteroSAGE", "hidden", highest=_WIDEST) for size in sizes]


def _float_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(
            f"HeteroSAGE: dtype: got {dtype!r}, expected float32 or float64"
        ) from error
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise DTypeError(f"HeteroSAGE: dtype: got {kind}, expected float32 or float64")
    return kind
