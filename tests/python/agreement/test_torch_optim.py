"""Optimisers and schedules against torch.optim, step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import relweave as rw

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
DTYPES = pytest.mark.parametrize("dtype", list(TOLERANCE))
SGD_SETTINGS = pytest.mark.parametrize(
    "settings",
    [
        {},
        {"weight_decay": 0.05},
        {"momentum": 0.9},
        {"momentum": 0.9, "weight_decay": 0.05},
        {"momentum": 0.9, "weight_decay": 0.05, "dampening": 0.4},
        {"momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
    ],
)


def run(ours, theirs, values, tensor, dtype, steps=50):
    """Both take the same dense steps to the same end."""
    rng = np.random.default_rng(6)
    for _ in range(steps):
        gradient = rng.normal(size=values.shape).astype(dtype)
        ours.step(gradient)
        tensor.grad = torch.tensor(gradient)
        theirs.step()
    np.testing.assert_allclose(values, tensor.detach(), atol=TOLERANCE[dtype])


def start(dtype, shape=(100, 7)):
    values = np.random.default_rng(5).normal(size=shape).astype(dtype)
    return values, torch.tensor(values.copy(), requires_grad=True)


@DTYPES
@pytest.mark.parametrize(
    "settings", [{}, {"weight_decay": 0.05}, {"betas": (0.7, 0.99), "eps": 1e-3}]
)
def test_adam_equals_torch(dtype, settings):
    values, tensor = start(dtype)
    theirs = torch.optim.Adam([tensor], lr=1e-2, **settings)
    names = {"eps": "epsilon"}
    ours = rw.optim.Adam(values, 1e-2, **{names.get(k, k): v for k, v in settings.items()})

    run(ours, theirs, values, tensor, dtype)


@DTYPES
@SGD_SETTINGS
def test_sgd_equals_torch(dtype, settings):
    values, tensor = start(dtype)
    theirs = torch.optim.SGD([tensor], lr=1e-2, **settings)

    run(rw.optim.SGD(values, 1e-2, **settings), theirs, values, tensor, dtype)


def sparse_steps(ours, theirs, values, tensor, dtype, steps=40):
    """Both take steps on random rows, with repeats; untouched rows must stay."""
    rng = np.random.default_rng(7)
    untouched = np.arange(len(values)) % 5 == 0
    before = values[untouched].copy()
    for _ in range(steps):
        rows = rng.choice(np.flatnonzero(~untouched), size=20)
        gradient = rng.normal(size=(20, values.shape[1])).astype(dtype)
        ours.step(gradient, rows=rows)
        tensor.grad = torch.sparse_coo_tensor(
            rows[None], torch.tensor(gradient), tensor.shape, check_invariants=True
        )
        theirs.step()
    np.testing.assert_allclose(values, tensor.detach(), atol=TOLERANCE[dtype])
    np.testing.assert_array_equal(values[untouched], before)


@DTYPES
@pytest.mark.parametrize("settings", [{}, {"betas": (0.7, 0.99), "eps": 1e-3}])
def test_adam_on_rows_equals_sparse_adam(dtype, settings):
    values, tensor = start(dtype)
    theirs = torch.optim.SparseAdam([tensor], lr=1e-2, **settings)
    names = {"eps": "epsilon"}
    ours = rw.optim.Adam(values, 1e-2, **{names.get(k, k): v for k, v in settings.items()})

    sparse_steps(ours, theirs, values, tensor, dtype)


@DTYPES
def test_sgd_on_rows_equals_sparse_sgd(dtype):
    values, tensor = start(dtype)

    sparse_steps(
        rw.optim.SGD(values, 0.1), torch.optim.SGD([tensor], lr=0.1), values, tensor, dtype
    )


@SGD_SETTINGS
def test_a_row_moves_as_a_parameter_of_its_own_in_torch(settings):
    values, _ = start(np.float64, (6, 3))
    rows = [torch.tensor(row.copy(), requires_grad=True) for row in values]
    theirs = [torch.optim.SGD([row], lr=0.1, **settings) for row in rows]
    ours = rw.optim.SGD(values, 0.1, **settings)
    rng = np.random.default_rng(8)

    for _ in range(20):
        chosen = rng.permutation(6)[:3]
        gradient = rng.normal(size=(3, 3))
        ours.step(gradient, rows=chosen)
        for position, row in enumerate(chosen):
            rows[row].grad = torch.tensor(gradient[position])
            theirs[row].step()

    np.testing.assert_allclose(values, np.stack([r.detach() for r in rows]), atol=1e-12)


def test_the_cosine_schedule_equals_torch():
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    ours = rw.optim.CosineSchedule(0.3, steps=20)

    for step in range(20):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12, abs=1e-15)
        optimizer.step()
        theirs.step()
