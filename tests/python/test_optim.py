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
        (lambda p: rw.optim.SGD(p, weight_decay=-1), "SGD: weight_decay: got -1"),
        (lambda p: rw.optim.SGD(p, nesterov=True), "SGD: nesterov: got true without momentum"),
        (lambda p: rw.optim.SGD(p, momentum=0.9, dampening=-1), "SGD: dampening: got -1"),
        (lambda p: rw.optim.SGD(p, dampening=0.5), "SGD: dampening: got 0.5.* without momentum"),
        (
            lambda p: rw.optim.SGD(p, momentum=0.9, dampening=0.5, nesterov=True),
            "SGD: dampening: got 0.5.* with nesterov, expected 0",
        ),
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


def some_steps(optimizer, parameters, count, seed):
    """Dense steps, and steps on rows where the parameter is a table."""
    rng = np.random.default_rng(seed)
    for step in range(count):
        rows = {"table": rng.integers(0, 9, 5)} if step % 2 else None
        shape = (5, 3) if rows else (9, 3)
        gradients = {"table": rng.normal(size=shape), "bias": rng.normal(size=4).astype("f4")}
        optimizer.step(gradients, rows=rows)


RESUMABLE = pytest.mark.parametrize(
    "make",
    [
        lambda p: rw.optim.Adam(p, rw.optim.CosineSchedule(0.1, steps=20)),
        lambda p: rw.optim.SGD(p, rw.optim.CosineSchedule(0.1, steps=20)),
        lambda p: rw.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
        lambda p: rw.optim.SGD(p, 0.1, momentum=0.9, dampening=0.3),
    ],
    ids=["adam", "sgd", "nesterov", "dampened"],
)


@RESUMABLE
def test_training_goes_on_from_a_file_to_the_same_bits(make, tmp_path):
    parameters = {"table": np.ones((9, 3)), "bias": np.ones(4, "f4")}
    whole = make(parameters)
    some_steps(whole, parameters, 6, seed=0)
    rw.io.save_safetensors(tmp_path / "state", whole.state_dict())
    copies = {name: values.copy() for name, values in parameters.items()}

    resumed = make(copies)
    resumed.load_state_dict(rw.io.load_safetensors(tmp_path / "state").tensors)

    some_steps(whole, parameters, 6, seed=1)
    some_steps(resumed, copies, 6, seed=1)
    assert resumed.steps == 12
    for name in parameters:
        np.testing.assert_array_equal(copies[name], parameters[name])


def test_the_state_is_copied_and_shaped_as_the_parameters():
    optimizer = rw.optim.Adam(np.ones((2, 3)))
    optimizer.step(np.full((2, 3), 2.0))

    state = optimizer.state_dict()

    np.testing.assert_allclose(state["mean"], np.full((2, 3), 0.2))
    np.testing.assert_allclose(state["square"], np.full((2, 3), 0.004))
    state["mean"][:] = 0
    assert optimizer.state_dict()["mean"].all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"w.mean": None}, rw.ConfigError, r"expected \['steps', 'w.mean', 'w.square'\]"),
        ({"v.mean": np.ones(3)}, rw.ConfigError, r"got \['steps', 'v.mean'"),
        ({"w.mean": np.ones(2)}, rw.ShapeError, r"state\['w.mean'\]: got shape \(2,\)"),
        ({"w.square": np.ones(3, "f4")}, rw.DTypeError, "float32, expected float64"),
        ({"steps": np.array(-1)}, rw.ConfigError, r"state\['steps'\]: got -1"),
        ({"steps": np.array(1.5)}, rw.ConfigError, r"state\['steps'\]: got .*1.5"),
        ({"steps": np.ones(0, int)}, rw.ShapeError, r"state\['steps'\]: got shape \(0,\)"),
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(change, error, message):
    optimizer = rw.optim.Adam({"w": np.ones(3)})
    optimizer.step({"w": np.ones(3)})
    before = optimizer.state_dict()
    state = {"steps": np.array(9), "w.mean": np.zeros(3), "w.square": np.zeros(3), **change}

    with pytest.raises(error, match=message):
        optimizer.load_state_dict({k: v for k, v in state.items() if v is not None})

    after = optimizer.state_dict()
    assert all((after[key] == before[key]).all() for key in before)
