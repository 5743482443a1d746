"""A model trained by hand with rw.nn, rw.loss and rw.optim against autograd and torch.optim."""

from __future__ import annotations

import numpy as np
import torch
from test_torch import CO, RATED, RATES, torch_sage

import relweave as rw

STEPS, USERS, ITEMS = 40, 60, 40


def planted_graph(rng):
    """Users rate items of their own taste; items are linked to items of theirs."""
    user = rng.integers(0, USERS, 400)
    item = rng.integers(0, ITEMS // 4, 400) * 4 + user % 4
    a = rng.integers(0, ITEMS, 150)
    b = (a + 4 * rng.integers(1, ITEMS // 4, 150)) % ITEMS
    return rw.HeteroGraph(
        {"user": USERS, "item": ITEMS}, {RATES: (user, item), RATED: (item, user), CO: (a, b)}
    )


def draw(graph, rng):
    """A batch of rated pairs, with three random items for each."""
    user, item = graph.edges(RATES)
    chosen = rng.integers(0, len(user), 64)
    return user[chosen], item[chosen], rng.integers(0, ITEMS, (64, 3))


def ours(graph, net, features, batches):
    optimizer = rw.optim.Adam(net.parameters(), rw.optim.CosineSchedule(2e-2, STEPS))
    losses = []
    for user, item, other in batches:
        z = net(graph, features)
        zu, zi, zn = z["user"][user], z["item"][item], z["item"][other]
        loss = rw.loss.margin((zu * zi).sum(1), (zu[:, None] * zn).sum(2), margin=0.3)
        gp, gn = loss.grad_positive[:, None], loss.grad_negative[:, :, None]
        grads = {t: np.zeros_like(v) for t, v in z.items()}
        np.add.at(grads["user"], user, gp * zi + (gn * zn).sum(1))
        np.add.at(grads["item"], item, gp * zu)
        np.add.at(grads["item"], other, gn * zu[:, None])
        net.backward(grads)
        optimizer.step(net.gradients())
        losses.append(loss.value)
    return losses


def theirs(graph, weights, features, batches, layers):
    optimizer = torch.optim.Adam(weights.values(), lr=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=STEPS)
    inputs = {t: torch.tensor(x) for t, x in features.items()}
    losses = []
    for user, item, other in batches:
        optimizer.zero_grad()
        z = torch_sage(graph, weights, inputs, layers, "max", l2_normalize=True)
        zu, zi, zn = z["user"][user], z["item"][item], z["item"][other]
        hinge = (zu[:, None] * zn).sum(2) - (zu * zi).sum(1)[:, None] + 0.3
        loss = torch.relu(hinge).mean()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def test_the_whole_trajectory_equals_autograd():
    rng = np.random.default_rng(0)
    graph = planted_graph(rng)
    features = {"user": rng.normal(size=(USERS, 8)), "item": rng.normal(size=(ITEMS, 6))}
    batches = [draw(graph, rng) for _ in range(STEPS)]
    net = rw.nn.HeteroSAGE(
        graph.schema, {"user": 8, "item": 6}, hidden=16, layers=2, dtype=np.float64, seed=1
    )
    weights = {n: torch.tensor(v, requires_grad=True) for n, v in net.parameters().items()}

    losses = ours(graph, net, features, batches)
    expected = theirs(graph, weights, features, batches, layers=2)

    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    np.testing.assert_allclose(losses, expected, atol=1e-9)
    for name, value in net.parameters().items():
        np.testing.assert_allclose(value, weights[name].detach(), atol=1e-8, err_msg=name)


def test_the_same_bits_for_any_number_of_threads():
    def train(threads):
        rng = np.random.default_rng(0)
        graph = planted_graph(rng)
        features = {
            "user": rng.normal(size=(USERS, 8)).astype("f4"),
            "item": rng.normal(size=(ITEMS, 6)).astype("f4"),
        }
        batches = [draw(graph, rng) for _ in range(5)]
        net = rw.nn.HeteroSAGE(graph.schema, {"user": 8, "item": 6}, hidden=16, threads=threads)
        losses = ours(graph, net, features, batches)
        return losses, net.parameters()

    losses, parameters = train(1)

    for threads in (2, 3):
        again, others = train(threads)
        assert again == losses
        assert all((others[name] == value).all() for name, value in parameters.items())
