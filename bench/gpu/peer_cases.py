"""What a user of PyTorch and PyG would call instead, one peer for each work that has one.

A peer is a function of its input that returns a call: the call does the work that is timed and
returns its result. Everything that depends on the graph alone is done before.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from peer_inputs import Destination, Graph, Values

Call = Callable[[], torch.Tensor]

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")


@dataclass(frozen=True)
class Peer:
    """`make(values, graph, d)` or, without a graph, `make(values, sizes, d)` returns the call."""

    work: str
    by: str
    make: Callable[..., Call]
    needs: tuple[str, ...] = ()
    on_graph: bool = True
    checked: bool = True  # whether its results are ours, and compared with NumPy's

    @property
    def missing(self) -> str:
        """Why it cannot run here; empty if it can."""
        absent = [name for name in self.needs if importlib.util.find_spec(name) is None]
        return f"{', '.join(absent)} is not installed" if absent else ""


def torch_csr(
    values: Values, offsets: torch.Tensor, cols: torch.Tensor, weights: torch.Tensor, n_cols: int
) -> torch.Tensor:
    return torch.sparse_csr_tensor(
        offsets.to(torch.int32),
        cols,
        weights.to(values.dtype),
        (offsets.numel() - 1, n_cols),
        check_invariants=False,
    )


def graph_matrix(values: Values, g: Destination, mean: bool, transpose: bool) -> torch.Tensor:
    """Return all relations into one type as one matrix, (n_dst, message_rows) or its transpose."""
    relations = len(g.relations)
    cols = values.tensor(g.cols)
    degrees = values.tensor(g.degrees)
    per_row = 1 / degrees.clamp(min=1).double() if mean else torch.ones_like(degrees).double()
    weights = torch.repeat_interleave(per_row, degrees)
    if not transpose:
        offsets = values.tensor(g.row_offsets)[::relations]
        return torch_csr(values, offsets, cols, weights, g.message_rows)
    destinations = torch.repeat_interleave(
        torch.arange(degrees.numel(), device=values.device) // relations, degrees
    )
    order = torch.argsort(cols, stable=True)
    counts = torch.bincount(cols, minlength=g.message_rows)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return torch_csr(values, offsets, destinations[order].to(torch.int32), weights[order], g.n_dst)


def sparse_mm(mean: bool, transpose: bool) -> Callable[..., Call]:
    def make(values: Values, graph: Graph, d: int) -> Call:
        matrices = [graph_matrix(values, g, mean, transpose) for g in graph.destinations]
        inputs = [values.matrix(m.shape[1], d, seed=2) for m in matrices]

        def call() -> torch.Tensor:
            return torch.cat(
                [torch.sparse.mm(m, x) for m, x in zip(matrices, inputs, strict=True)]
                if len(matrices) > 1
                else [torch.sparse.mm(matrices[0], inputs[0])]
            )

        return call

    return make


class ScatterMax(torch.nn.Module):
    """Maximum per relation, summed, with self term and ReLU, by materialised messages."""

    def __init__(self, values: Values, g: Destination, d: int) -> None:
        super().__init__()
        self.shape = (g.n_dst, len(g.relations), d)
        self.cols = values.tensor(g.cols).long()
        rows = torch.arange(g.degrees.size, device=values.device)
        self.rows = torch.repeat_interleave(rows, values.tensor(g.degrees))
        self.messages = values.matrix(g.message_rows, d, seed=2).requires_grad_()
        self.self_term = values.matrix(g.n_dst, d, seed=3).requires_grad_()

    def forward(self) -> torch.Tensor:
        n, relations, d = self.shape
        taken = self.messages.index_select(0, self.cols)
        best = taken.new_zeros(n * relations, d).scatter_reduce(
            0, self.rows[:, None].expand(-1, d), taken, "amax", include_self=False
        )
        return functional.relu(self.self_term + best.view(n, relations, d).sum(1))


def scatter_max_forward(values: Values, graph: Graph, d: int) -> Call:
    parts = [ScatterMax(values, g, d) for g in graph.destinations]

    @torch.no_grad()
    def call() -> torch.Tensor:
        return torch.cat([part() for part in parts])

    return call


def scatter_max_backward(values: Values, graph: Graph, d: int) -> Call:
    parts = [ScatterMax(values, g, d) for g in graph.destinations]
    outs = [part() for part in parts]
    gradients = [values.matrix(*out.shape, seed=4) for out in outs]

    def call() -> torch.Tensor:
        found = [
            torch.autograd.grad(out, (part.messages, part.self_term), g, retain_graph=True)[0]
            for part, out, g in zip(parts, outs, gradients, strict=True)
        ]
        return torch.cat(found)

    return call


def pyg_layer(backward: bool) -> Callable[..., Call]:
    """HeteroConv over SAGEConv with maximum: aggregates raw features, then multiplies."""

    def make(values: Values, graph: Graph, d: int) -> Call:
        from torch_geometric.nn import HeteroConv, SAGEConv

        edges, convolutions = {}, {}
        for g in graph.destinations:
            for r, relation in enumerate(g.relations):
                key = (f"t{relation.source}", f"r{relation.id}", f"t{g.type}")
                sources, destinations = g.edges_of(r)
                edges[key] = torch.stack([values.tensor(sources), values.tensor(destinations)])
                convolutions[key] = SAGEConv((d, d), d, aggr="max")
        layer = HeteroConv(convolutions, aggr="sum").to(values.device, values.dtype)
        x = {
            f"t{t}": values.matrix(n, d, seed=2).requires_grad_(backward)
            for t, n in enumerate(graph.nodes)
        }
        gradients = {key: values.matrix(*v.shape, seed=3) for key, v in x.items()}

        def forward() -> dict[str, torch.Tensor]:
            return {key: functional.relu(v) for key, v in layer(x, edges).items()}

        @torch.no_grad()
        def call_forward() -> torch.Tensor:
            return next(iter(forward().values()))

        def call_both() -> torch.Tensor:
            layer.zero_grad()
            outs = forward()
            wanted = [*layer.parameters(), *x.values()]
            found = torch.autograd.grad(
                list(outs.values()), wanted, [gradients[key] for key in outs], allow_unused=True
            )
            return next(g for g in found if g is not None)

        return call_both if backward else call_forward

    return make


def linear(values: Values, sizes: Sequence[int], d: int) -> Call:
    m, k, n = sizes
    x, weight, bias = (
        values.matrix(*s, seed=i) for i, s in enumerate([(m, k), (n, k), (n,)], start=2)
    )
    return torch.no_grad()(lambda: functional.relu(functional.linear(x, weight, bias)))


def linear_backward(values: Values, sizes: Sequence[int], d: int) -> Call:
    m, k, n = sizes
    x, weight, bias = (
        values.matrix(*s, seed=i).requires_grad_()
        for i, s in enumerate([(m, k), (n, k), (n,)], start=2)
    )
    out = functional.relu(functional.linear(x, weight, bias))
    gradient = values.matrix(m, n, seed=5)
    return lambda: torch.autograd.grad(out, (x, weight, bias), gradient, retain_graph=True)[1]


def matmul(values: Values, sizes: Sequence[int], d: int) -> Call:
    m, k, n = sizes
    a, b = values.matrix(m, k, seed=2), values.matrix(k, n, seed=3)
    return lambda: a @ b


def top_k(values: Values, sizes: Sequence[int], d: int) -> Call:
    m, n, k = sizes
    scores = values.matrix(m, n, seed=2)
    return lambda: torch.topk(scores, min(k, n)).values


def row_normalize(values: Values, sizes: Sequence[int], d: int) -> Call:
    x = values.matrix(sizes[0], d, seed=2)
    return lambda: functional.normalize(x)


def gather_rows(values: Values, sizes: Sequence[int], d: int) -> Call:
    x, indices = values.matrix(sizes[0], d, seed=2), values.indices(sizes[1], sizes[0], seed=3)
    return lambda: x.index_select(0, indices)


def scatter_rows(values: Values, sizes: Sequence[int], d: int) -> Call:
    x, indices = values.matrix(sizes[1], d, seed=2), values.indices(sizes[1], sizes[0], seed=3)
    table = torch.zeros(sizes[0], d, device=values.device, dtype=values.dtype)
    return lambda: table.index_add_(0, indices, x)


def pair_score(values: Values, sizes: Sequence[int], d: int) -> Call:
    a, b = values.matrix(sizes[0], d, seed=2), values.matrix(sizes[0], d, seed=3)
    i, j = (values.indices(sizes[1], sizes[0], seed=s) for s in (4, 5))
    return lambda: (a[i] * b[j]).sum(-1)


def adam(values: Values, sizes: Sequence[int], d: int) -> Call:
    parameter = Values(values.device, torch.float32).matrix(sizes[0], 128, seed=3)
    parameter.grad = Values(values.device, torch.float32).matrix(sizes[0], 128, seed=2)
    optimizer = torch.optim.Adam([parameter], lr=0.1, fused=values.device.type == "cuda")

    def call() -> torch.Tensor:
        optimizer.step()
        return parameter

    return call


def dense(work: str, by: str, make: Callable[..., Call]) -> Peer:
    return Peer(work, by, make, on_graph=False)


PEERS = [
    Peer("relation_aggregate.forward.max", "torch scatter_reduce", scatter_max_forward),
    Peer("relation_aggregate.backward.max", "torch scatter_reduce", scatter_max_backward),
    *(
        Peer(
            f"relation_aggregate.{way}.{reduce}",
            "torch.sparse.mm",
            sparse_mm(reduce == "mean", way == "backward"),
        )
        for reduce in ("mean", "sum")
        for way in ("forward", "backward")
    ),
    *(
        Peer(
            f"hetero_layer.{way}.max",
            "PyG HeteroConv(SAGEConv)",
            pyg_layer(way != "forward"),
            needs=("torch_geometric",),
            checked=False,
        )
        for way in ("forward", "forward_backward")
    ),
    dense("matmul", "torch matmul", matmul),
    dense("linear.forward", "torch linear + relu", linear),
    dense("linear.backward", "torch linear + relu", linear_backward),
    dense("top_k", "torch.topk", top_k),
    dense("row_normalize.forward", "torch normalize", row_normalize),
    dense("gather_rows", "torch index_select", gather_rows),
    dense("scatter_rows", "torch index_add_", scatter_rows),
    dense("pair_score.forward", "torch gather, multiply, sum", pair_score),
    dense("adam.step", "torch.optim.Adam, fused", adam),
]
