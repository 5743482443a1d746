"""Errors of rw.optim, and that a refused step changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

import relweave as rw


def locked():
    array = np.ones(3)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("optimizer", [rw.optim.SGD, rw.optim.Adam])
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ([1.0, 2.0], rw.DTypeError, "parameters: got a list"),
        (np.ones(3, int), rw.DTypeError, "parameters: got dtype int64"),
        (np.ones((3, 4))[:, ::2], rw.ConfigError, "not C-contiguous"),
        (np.asfortranarray(np.ones((3, 4))), rw.ConfigError, "not C-contiguous"),
        (locked(), rw.ConfigError, "read-only"),
        ({"a": np.ones(2), "b": "x"}, rw.DTypeError, r"parameters\['b'\]: got a str"),
    ],
)
def test_parameters_that_cannot_be_updated_are_refused(optimizer, parameters, error, message):
    with pytest.raises(error, match=message):
        optimizer(parameters)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: rw.optim.Adam(p, betas=(1.0, 0.9)), "Adam: beta1: got 1"),
        (lambda p: rw.optim.Adam(p, betas=(0.9, -1)), "Adam: beta2: got -1"),
        (lambda p: rw.optim.Adam(p, epsilon=np.nan), "Adam: epsilon: got nan"),
        (lambda p: rw.optim.Adam(p, weight_decay=-1), "Adam: weight_decay: got -1"),
        (lambda p: rw.optim.SGD(p, momentum=np.inf), "SGD: momentum: got inf"),
        (lambda p: rw.optim.SGD(p, weight_decay=-1), "Sgd: weight_decay: got -1"),
        (lambda p: rw.optim.SGD(p, nesterov=True), "Sgd: nesterov: got true without momentum"),
        (lambda p: rw.optim.SGD(p, threads=0), "SGD: threads: got 0"),
        (lambda p: rw.optim.CosineSchedule(0.1, steps=0), "CosineSchedule: steps: got 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(rw.ConfigError, match=message):
        make(np.ones(3))


@pytest.mark.parametrize("optimizer", [rw.optim.SGD, rw.optim.Adam])
@pytest.mark.parametrize(
    ("gradients", "rows", "error", "message"),
    [
        ({"a": np.ones((4, 2))}, None, rw.ConfigError, "gradients: got .'a'., expected .'a', 'b'."),
        ({"a": np.ones((4, 2)), "b": np.ones(4)}, None, rw.ShapeError, r"gradients\['b'\]"),
        ({"a": np.ones((4, 2)), "b": np.ones(3, "f4")}, None, rw.DTypeError, "float32"),
        ({"a": np.ones((1, 2)), "b": np.ones(3)}, {"a": [4]}, rw.IndexError, "got 4 at position 0"),
        ({"a": np.ones((1, 2)), "b": np.ones(3)}, {"a": [-1]}, rw.IndexError, r"rows\['a'\]"),
        ({"a": np.ones((2, 2)), "b": np.ones(3)}, {"a": [1]}, rw.ShapeError, r"gradients\['a'\]"),
        ({"a": np.ones((1, 3)), "b": np.ones(3)}, {"a": [1]}, rw.ShapeError, r"gradients\['a'\]"),
        ({"a": np.ones((4, 2)), "b": np.ones(1)}, {"b": [1]}, rw.ShapeError, r"rows\['b'\]"),
        ({"a": np.ones((4, 2)), "b": np.ones(3)}, {"c": [1]}, rw.ConfigError, "rows: got .'c'."),
    ],
)
def test_a_refused_step_changes_nothing(optimizer, gradients, rows, error, message):
    parameters = {"a": np.ones((4, 2)), "b": np.ones(3)}
    steps = optimizer(parameters, 0.1)

    with pytest.raises(error, match=message):
        steps.step(gradients, rows=rows)

    assert steps.steps == 0
    assert all((p == 1).all() for p in parameters.values())
    steps.step({"a": np.ones((4, 2)), "b": np.ones(3)})
    assert all((p < 1).all() for p in parameters.values())


@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf, lambda step: -step - 1.0])
def test_learning_rates_out_of_range_are_refused(rate):
    with pytest.raises(rw.ConfigError, match="step: learning_rate"):
        rw.optim.SGD(np.ones(1), rate).step(np.ones(1))


def test_rates_over_time_and_by_hand():
    x = np.zeros(1)
    optimizer = rw.optim.SGD(x, lambda step: 1.0 / (step + 1))

    optimizer.step(-np.ones(1))
    optimizer.step(-np.ones(1))

    assert x[0] == 1.5
    optimizer.learning_rate = 10.0
    optimizer.step(-np.ones(1))
    assert x[0] == 11.5
    assert optimizer.steps == 3


def test_tables_and_dense_parameters_move_together():
    table, bias = np.ones((5, 2), "f4"), np.ones(2, "f4")
    optimizer = rw.optim.Adam({"table": table, "bias": bias}, 0.1)

    gradients = {"table": np.ones((2, 2), "f4"), "bias": np.ones(2, "f4")}
    optimizer.step(gradients, rows={"table": np.array([3, 1])})

    assert (table[[0, 2, 4]] == 1).all()
    np.testing.assert_allclose(table[[1, 3]], 0.9, rtol=1e-5)
    np.testing.assert_allclose(bias, 0.9, rtol=1e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_same_bits_for_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    rows, gradient = rng.integers(0, 3000, 4000), rng.normal(size=(4000, 33)).astype("f4")
    one, more = np.ones((3000, 33), "f4"), np.ones((3000, 33), "f4")

    rw.optim.Adam(one, threads=1).step(gradient, rows=rows)
    rw.optim.Adam(more, threads=threads).step(gradient, rows=rows)

    np.testing.assert_array_equal(one, more)
