"""Layers and losses against PyTorch and PyG with the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

import relweave as rw

RATES = ("user", "rates", "item")
RATED = ("item", "rates", "user")
CO = ("item", "co", "item")


def small_graph(seed: int = 0) -> rw.HeteroGraph:
    rng = np.random.default_rng(seed)
    counts = {"user": 30, "item": 20}
    u, i = rng.integers(0, 30, 80), rng.integers(0, 20, 80)
    a, b = rng.integers(0, 20, 60), rng.integers(0, 20, 60)
    return rw.HeteroGraph(counts, {RATES: (u, i), RATED: (i, u), CO: (a, b)})


def torch_sage(graph, weights, features, layers, reduce, l2_normalize):
    """The layer's formula in autograd, edge by edge."""
    h = features
    for layer in range(layers):
        out = {}
        for t in graph.node_types:
            total = h[t] @ weights[f"layers.{layer}.self.{t}.weight"]
            for relation in graph.relations_into(t):
                name = f"layers.{layer}.message.{'__'.join(relation)}"
                message = torch.relu(
                    h[relation[0]] @ weights[name + ".weight"] + weights[name + ".bias"]
                )
                source, destination = (
                    torch.tensor(x, dtype=torch.long) for x in graph.edges(relation)
                )
                index = destination[:, None].expand(-1, message.shape[1])
                zeros = torch.zeros(total.shape, dtype=total.dtype)
                total = total + zeros.scatter_reduce(
                    0,
                    index,
                    message[source],
                    {"max": "amax"}.get(reduce, reduce),
                    include_self=False,
                )
            if layer + 1 < layers:
                total = torch.relu(total)
            out[t] = total
        h = out
    return {t: functional.normalize(z, dim=1) if l2_normalize else z for t, z in h.items()}


@pytest.mark.parametrize("reduce", ["max", "mean", "sum"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_layer_and_every_gradient_equal_autograd(reduce, dtype, tolerance):
    graph = small_graph()
    rng = np.random.default_rng(1)
    net = rw.nn.HeteroSAGE(
        graph.schema, {"user": 7, "item": 5}, hidden=[16, 9], reduce=reduce, dtype=dtype, seed=3
    )
    for name, value in net.parameters().items():
        if name.endswith("bias"):
            value[...] = rng.normal(0, 0.1, value.shape)
    x = {
        "user": rng.normal(size=(30, 7)).astype(dtype),
        "item": rng.normal(size=(20, 5)).astype(dtype),
    }
    weights = {n: torch.tensor(v, requires_grad=True) for n, v in net.parameters().items()}
    inputs = {t: torch.tensor(v, requires_grad=True) for t, v in x.items()}
    expected = torch_sage(graph, weights, inputs, 2, reduce, l2_normalize=True)
    push = {t: rng.normal(size=z.shape).astype(dtype) for t, z in expected.items()}
    sum((z * torch.tensor(push[t])).sum() for t, z in expected.items()).backward()

    out = net(graph, x)
    grad_inputs = net.backward(push)

    for t in x:
        np.testing.assert_allclose(out[t], expected[t].detach(), atol=tolerance)
        np.testing.assert_allclose(grad_inputs[t], inputs[t].grad, atol=10 * tolerance)
    for name, gradient in net.gradients().items():
        np.testing.assert_allclose(gradient, weights[name].grad, atol=20 * tolerance, err_msg=name)


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (130, 37, 65), (300, 780, 51), (0, 3, 4)])
@pytest.mark.parametrize(("dtype", "eps"), [(np.float32, 2**-23), (np.float64, 2**-52)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_dense_layer_equals_torch(m, k, n, dtype, eps, with_bias):
    rng = np.random.default_rng(7)
    x, weight, bias = (rng.uniform(-1, 1, size).astype(dtype) for size in ((m, k), (k, n), n))
    expected = torch.tensor(x) @ torch.tensor(weight)
    if with_bias:
        expected = functional.linear(
            torch.tensor(x), torch.tensor(weight.T.copy()), torch.tensor(bias)
        )

    out = rw.ops.linear(x, weight, bias if with_bias else None)
    rectified = rw.ops.linear(
        torch.tensor(x), weight, bias if with_bias else None, activation="relu", threads=1
    )

    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected, rtol=0, atol=2 * eps * (k + 1))
    np.testing.assert_array_equal(rectified, np.maximum(out, 0))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_one_relation_equals_pyg_sage_conv():
    from torch_geometric.nn import SAGEConv

    rng = np.random.default_rng(2)
    source, destination = rng.integers(0, 20, 70), rng.integers(0, 20, 70)
    graph = rw.HeteroGraph({"item": 20}, {CO: (source, destination)})
    net = rw.nn.HeteroSAGE(graph.schema, {"item": 6}, hidden=[6], l2_normalize=False, seed=4)
    conv = SAGEConv(6, 6, aggr="max", project=True, root_weight=True, bias=False)
    own = net.parameters()
    with torch.no_grad():  # lin projects, lin_l takes the maximum as it is, lin_r is the self term
        conv.lin.weight.copy_(torch.tensor(own["layers.0.message.item__co__item.weight"].T))
        conv.lin.bias.copy_(torch.tensor(own["layers.0.message.item__co__item.bias"]))
        conv.lin_l.weight.copy_(torch.eye(6))
        conv.lin_r.weight.copy_(torch.tensor(own["layers.0.self.item.weight"].T))
    x = rng.normal(size=(20, 6)).astype(np.float32)

    edges = torch.tensor(np.stack([source, destination]))
    # PyG projects the sources but keeps the root's own features.
    expected = conv((torch.tensor(x), torch.tensor(x)), edges)

    np.testing.assert_allclose(net(graph, {"item": x})["item"], expected.detach(), atol=1e-5)


def test_pairwise_losses_equal_torch():
    rng = np.random.default_rng(3)
    positive, negative = rng.normal(size=12), rng.normal(size=(12, 5))
    for name, call in {
        "margin": lambda p, n: functional.relu(n - p[:, None] + 0.3).mean(),
        "bpr": lambda p, n: functional.softplus(n - p[:, None]).mean(),
    }.items():
        p = torch.tensor(positive, requires_grad=True)
        n = torch.tensor(negative, requires_grad=True)
        expected = call(p, n)
        expected.backward()
        settings = {"margin": 0.3} if name == "margin" else {}

        loss, grad_positive, grad_negative = getattr(rw.loss, name)(positive, negative, **settings)

        assert loss == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(grad_positive, p.grad, atol=1e-12)
        np.testing.assert_allclose(grad_negative, n.grad, atol=1e-12)


def test_sampled_softmax_equals_masked_cross_entropy():
    rng = np.random.default_rng(4)
    items = rng.integers(0, 8, 40)  # targets of a batch, with duplicates
    unique, target = np.unique(items, return_inverse=True)
    count = np.bincount(target).astype(float)
    log_q = np.log(rng.random(8) + 0.05)
    users, vectors = rng.normal(size=(40, 6)), rng.normal(size=(8, 6))
    scores = users @ vectors[unique].T
    s = torch.tensor(scores, requires_grad=True)
    logits = s[:, target] / 0.2 - torch.tensor(log_q[items])[None]
    same = torch.tensor(items[None] == items[:, None]) & ~torch.eye(40, dtype=torch.bool)
    expected = functional.cross_entropy(logits.masked_fill(same, -1e9), torch.arange(40))
    expected.backward()

    loss, grad = rw.loss.sampled_softmax(
        scores, target, log_q[unique], count=count, temperature=0.2
    )

    assert loss == pytest.approx(expected.item(), rel=1e-10)
    np.testing.assert_allclose(grad, s.grad, atol=1e-10)


def test_dot_product_loss_equals_torch():
    rng = np.random.default_rng(5)
    scores, target = rng.normal(size=(10, 6)), rng.integers(0, 6, 10)
    weights = rng.random(6)
    s = torch.tensor(scores, requires_grad=True)
    own = functional.one_hot(torch.tensor(target), 6).bool()
    w = torch.tensor(weights)[None].expand(10, 6).masked_fill(own, 0)
    expected = ((s * w).sum(1) / w.sum(1) - s[own]).mean()
    expected.backward()

    loss, grad = rw.loss.dot_product(scores, target, weights)

    assert loss == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(grad, s.grad, atol=1e-12)


def test_row_weights_and_part_of_the_correction_equal_torch():
    rng = np.random.default_rng(6)
    scores, target = rng.normal(size=(9, 5)), rng.integers(0, 5, 9)
    log_q, weights = np.log(rng.random(5)), rng.random(9)
    s = torch.tensor(scores, requires_grad=True)
    logits = s / 0.5 - 0.3 * torch.tensor(log_q)
    each = functional.cross_entropy(logits, torch.tensor(target), reduction="none")
    w = torch.tensor(weights)
    expected = (each * w).sum() / w.sum()
    expected.backward()

    loss, grad = rw.loss.sampled_softmax(
        scores, target, log_q, row_weights=weights, temperature=0.5, correction=0.3
    )

    assert loss == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(grad, s.grad, atol=1e-12)
