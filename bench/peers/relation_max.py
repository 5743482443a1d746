"""The maximum over every relation's neighbours against one sparse product per relation.

Messages lie where each library's own dense layer leaves them, in the same numbers on both sides;
the note of the first row tells the ratio when both read arrays that NumPy made.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

import relweave as rw
from comparison import Comparison, compared, in_turns
from hetero_layer import csr_matrix

NEEDS = ("torch",)
NAMES = ("relation_max_vs_torch_sparse", "relation_max_forward_backward_vs_torch_sparse")
PEER = "PyTorch, torch.sparse.mm(csr, x, reduce='amax') per relation"


class Ours:
    """One call per node type, which keeps the winners."""

    def __init__(self, graph: rw.HeteroGraph, width: int, threads: int) -> None:
        rng = np.random.default_rng(1)
        self.graph, self.threads = graph, threads
        self.identity = np.eye(width, dtype="f4")
        rows = {
            t: sum(graph.node_counts[r[0]] for r in graph.relations_into(t))
            for t in graph.node_types
        }
        self.messages = {
            t: rw.ops.linear(rng.normal(size=(n, width)).astype("f4"), self.identity)
            for t, n in rows.items()
        }
        self.push = {
            t: rng.normal(size=(n, width)).astype("f4") for t, n in graph.node_counts.items()
        }

    def aggregate(self, t: str) -> Any:
        return rw.ops.relation_aggregate(
            self.graph,
            dst=t,
            messages=self.messages[t],
            activation="identity",
            return_cache=True,
            threads=self.threads,
        )

    def forward(self) -> dict[str, np.ndarray]:
        return {t: self.aggregate(t)[0] for t in self.graph.node_types}

    def forward_backward(self) -> dict[Any, np.ndarray]:
        found = {}
        for t in self.graph.node_types:
            _, cache = self.aggregate(t)
            gradients, _ = rw.ops.relation_aggregate_backward(
                cache, self.push[t], threads=self.threads
            )
            found.update(gradients)
        return found


class Torch:
    def __init__(self, ours: Ours) -> None:
        import torch

        self.torch = torch
        self.graph = graph = ours.graph
        self.matrices, self.messages = {}, {}
        identity = torch.from_numpy(ours.identity)
        for t in graph.node_types:
            base = 0
            for relation in graph.relations_into(t):
                source, destination = (torch.from_numpy(e).long() for e in graph.edges(relation))
                shape = [graph.node_counts[relation[i]] for i in (2, 0)]
                self.matrices[relation] = csr_matrix(source, destination, shape)
                rows = torch.from_numpy(ours.messages[t][base : base + shape[1]])
                message = torch.nn.functional.linear(rows, identity)
                assert torch.equal(message, rows)
                self.messages[relation] = message.requires_grad_()
                base += shape[1]
        self.push = [torch.from_numpy(ours.push[t]) for t in graph.node_types]

    def read_from_numpy(self, ours: Ours) -> None:
        """Take messages from arrays of NumPy, and let `ours` do so, too."""
        for t, messages in ours.messages.items():
            ours.messages[t] = np.array(messages)
        for relation, message in self.messages.items():
            self.messages[relation] = self.torch.from_numpy(message.detach().numpy().copy())

    def _outputs(self) -> dict[str, Any]:
        found = {}
        for t in self.graph.node_types:
            for relation in self.graph.relations_into(t):
                part = self.torch.sparse.mm(
                    self.matrices[relation], self.messages[relation], reduce="amax"
                )
                found[t] = found[t] + part if t in found else part
        return found

    def forward(self) -> dict[str, Any]:
        with self.torch.no_grad():
            return self._outputs()

    def forward_backward(self) -> dict[Any, Any]:
        for message in self.messages.values():
            message.grad = None
        self.torch.autograd.backward(list(self._outputs().values()), self.push)
        return {r: m.grad for r, m in self.messages.items()}


def close(got: dict[Any, np.ndarray], expected: dict[Any, Any]) -> bool:
    return set(got) == set(expected) and all(
        np.allclose(got[key], value, rtol=1e-5, atol=1e-5) for key, value in expected.items()
    )


def compare(
    threads: int, repeats: int, nodes: int = 20_000, degree: int = 20, width: int = 128
) -> list[Comparison]:
    """Check, then time the maxima of 9 relations, and the gradients of all messages."""
    import torch

    torch.set_num_threads(threads)
    ours = Ours(rw.bench.uniform_graph(nodes, degree), width, threads)
    peer = Torch(ours)
    comparisons = []
    for name, way in zip(NAMES, ("forward", "forward_backward"), strict=True):
        mine, theirs = getattr(ours, way), getattr(peer, way)
        agree = close(mine(), theirs())
        times = in_turns(mine, theirs, 6 * repeats + 1, threads=threads)
        comparisons.append(compared(name, PEER, threads, agree, times))
    peer.read_from_numpy(ours)
    ours_s, peer_s = (
        median(times)
        for times in in_turns(ours.forward, peer.forward, 6 * repeats + 1, threads=threads)
    )
    comparisons[0].details["from_numpy"] = {"ours_s": ours_s, "peer_s": peer_s}
    note = f"`{NAMES[0]}`: from arrays of NumPy {peer_s / ours_s:.2f}."
    return [replace(comparisons[0], note=note), *comparisons[1:]]
