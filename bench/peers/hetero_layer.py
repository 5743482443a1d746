"""A heterogeneous layer with maximum against PyG's, forward and backward."""

from __future__ import annotations

import warnings
from statistics import median
from typing import Any

import numpy as np

import relweave as rw
from comparison import Comparison, compared, in_turns, seconds_per_call

NEEDS = ("torch", "torch_geometric")
NAMES = ("hetero_max_forward_vs_pyg", "hetero_max_forward_backward_vs_pyg")
PEER = "PyG, HeteroConv(SAGEConv(aggr='max', project=True))"


class Ours:
    def __init__(self, graph: rw.HeteroGraph, width: int, threads: int) -> None:
        sizes = dict.fromkeys(graph.node_types, width)
        self.graph = graph
        self.net = rw.nn.HeteroSAGE(
            graph.schema, sizes, hidden=width, layers=1, l2_normalize=False, threads=threads
        )
        rng = np.random.default_rng(1)
        for name, value in self.net.parameters().items():
            if name.endswith("bias"):
                value[...] = rng.normal(0, 0.1, value.shape)
        self.x = {t: rng.normal(size=(n, width)).astype("f4") for t, n in graph.node_counts.items()}
        self.push = {t: rng.normal(size=x.shape).astype("f4") for t, x in self.x.items()}

    def forward(self) -> dict[str, np.ndarray]:
        return self.net(self.graph, self.x)

    def forward_backward(self) -> dict[str, np.ndarray]:
        self.forward()
        return self.net.backward(self.push)


class Pyg:
    """The same layer without work that ours does not do.

    `project` makes our messages; the product after the maximum is left out, and the own term, one
    per type, belongs to the first relation into it.
    """

    def __init__(self, ours: Ours, *, csr: bool) -> None:
        import torch
        from torch_geometric.nn import HeteroConv, SAGEConv

        self.torch = torch
        self.ours = ours
        self.csr = csr
        graph, width = ours.graph, next(iter(ours.x.values())).shape[1]
        weights = {n: torch.from_numpy(v.T.copy()) for n, v in ours.net.parameters().items()}
        convolutions: dict[Any, Any] = {}
        with torch.no_grad():
            for t in graph.node_types:
                for k, relation in enumerate(graph.relations_into(t)):
                    conv = SAGEConv(
                        (width, width),
                        width,
                        aggr="max",
                        project=True,
                        root_weight=k == 0,
                        bias=False,
                    )
                    name = f"layers.0.message.{'__'.join(relation)}"
                    conv.lin.weight.copy_(weights[name + ".weight"])
                    conv.lin.bias.copy_(weights[name + ".bias"])
                    conv.lin_l = torch.nn.Identity()
                    if k == 0:
                        conv.lin_r.weight.copy_(weights[f"layers.0.self.{t}.weight"])
                    convolutions[relation] = conv
        self.net = HeteroConv(convolutions, aggr="sum")
        self.edges = {r: self._adjacency(graph, r, csr) for r in graph.relations}
        self.x = {t: torch.from_numpy(x.copy()).requires_grad_() for t, x in ours.x.items()}
        self.push = [torch.from_numpy(ours.push[t]) for t in graph.node_types]

    def _adjacency(self, graph: rw.HeteroGraph, relation: rw.graph.Relation, csr: bool) -> Any:
        source, destination = (self.torch.from_numpy(e).long() for e in graph.edges(relation))
        if not csr:
            return self.torch.stack([source, destination])
        return csr_matrix(source, destination, [graph.node_counts[relation[i]] for i in (2, 0)])

    def forward(self) -> dict[str, Any]:
        with self.torch.no_grad():
            return self.net(self.x, self.edges)

    def forward_backward(self) -> dict[str, Any]:
        self.net.zero_grad()
        for x in self.x.values():
            x.grad = None
        out = self.net(self.x, self.edges)
        self.torch.autograd.backward([out[t] for t in self.ours.x], self.push)
        return {t: x.grad for t, x in self.x.items()}

    def weight_gradients(self) -> dict[str, Any]:
        """Return them by our names."""
        found = {}
        for relation, conv in self.net.convs.items():
            name = f"layers.0.message.{'__'.join(relation)}"
            found[name + ".weight"] = conv.lin.weight.grad.T
            found[name + ".bias"] = conv.lin.bias.grad
            if conv.root_weight:
                found[f"layers.0.self.{relation[2]}.weight"] = conv.lin_r.weight.grad.T
        return found


def csr_matrix(source: Any, destination: Any, shape: list[int]) -> Any:
    """Return ones at (destination, source); the edges are sorted by destination."""
    import torch

    offsets = torch.zeros(shape[0] + 1, dtype=torch.long)
    offsets[1:] = torch.bincount(destination, minlength=shape[0]).cumsum(0)
    ones = torch.ones(len(source))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(offsets, source, ones, shape, check_invariants=False)


def close(got: dict[str, Any], expected: dict[str, Any], apart: float = 0.0) -> bool:
    """Compare float32 results, allowing 1e-4 of the largest number.

    A share of `apart` of the numbers may differ by more.
    """
    theirs = {name: np.asarray(value.detach()) for name, value in expected.items()}
    return set(got) == set(theirs) and all(
        (~(np.abs(got[name] - value) <= 1e-4 * max(1.0, np.abs(value).max()))).mean() <= apart
        for name, value in theirs.items()
    )


def same_gradients(ours: Ours, peer: Pyg) -> bool:
    """Compare all gradients.

    Where two different messages are the same maximum, bit for bit, edge lists share the gradient
    between them; ours and the sparse matrices give it to the first. In millions of maxima that
    happens once or twice, and moves a column of a weight's gradient and a few rows of the inputs'.
    """
    apart = 0.0 if peer.csr else 0.02
    return close(ours.forward_backward(), peer.forward_backward(), apart) and close(
        ours.net.gradients(), peer.weight_gradients(), apart
    )


def compare(
    threads: int, repeats: int, nodes: int = 20_000, degree: int = 20, width: int = 128
) -> list[Comparison]:
    """Check, then time a layer of 9 relations: products, aggregation, and all gradients."""
    import torch

    torch.set_num_threads(threads)
    ours = Ours(rw.bench.uniform_graph(nodes, degree), width, threads)
    pyg, fused = (Pyg(ours, csr=csr) for csr in (False, True))
    agree = {
        "forward": all(close(ours.forward(), peer.forward()) for peer in (pyg, fused)),
        "forward_backward": all(same_gradients(ours, peer) for peer in (pyg, fused)),
    }
    comparisons = []
    for name, way in zip(NAMES, agree, strict=True):
        times = in_turns(getattr(ours, way), getattr(pyg, way), repeats, threads=threads)
        with_csr = median(seconds_per_call(getattr(fused, way)) for _ in range(repeats))
        comparisons.append(
            compared(
                name,
                PEER,
                threads,
                agree[way],
                times,
                {"peer_csr_s": with_csr, "ratio_csr": with_csr / median(times[0])},
                f"`{name}`: with sparse CSR matrices in place of edge lists PyG takes "
                f"{with_csr:.2f} s, {with_csr / median(times[0]):.2f} of ours.",
            )
        )
    return comparisons
