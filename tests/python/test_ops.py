"""Kernels on arrays: what they refuse, and what they give back."""

import numpy as np
import pytest

import relweave as rw

X = np.arange(6, dtype=np.float32).reshape(2, 3)
WEIGHT = np.ones((3, 4), np.float32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"weight": np.ones((2, 4), np.float32)},
            rw.ShapeError,
            r"linear: weight: got shape \(2, 4\), expected \(3, 4\)",
        ),
        (
            {"weight": WEIGHT.astype(float)},
            rw.DTypeError,
            "linear: weight: got dtype float64, expected float32",
        ),
        ({"weight": WEIGHT[0]}, rw.ShapeError, "linear: weight: got 1 dimensions, expected 2"),
        ({"x": X[0]}, rw.ShapeError, "linear: x: got 1 dimensions, expected 2"),
        (
            {"bias": np.ones(3, np.float32)},
            rw.ShapeError,
            r"linear: bias: got shape \(3,\), expected \(4,\)",
        ),
        ({"bias": np.ones(4)}, rw.DTypeError, "linear: bias: got dtype float64, expected float32"),
        (
            {"activation": "gelu"},
            rw.ConfigError,
            "linear: activation: got 'gelu', expected relu or identity",
        ),
        ({"threads": -1}, rw.ConfigError, "linear: threads"),
    ],
)
def test_linear_names_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        rw.ops.linear(**{"x": X, "weight": WEIGHT, **arguments})


def test_linear_leaves_its_arguments_and_gives_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 90)).astype(np.float32)
    weight = rng.normal(size=(90, 60)).astype(np.float32)
    bias = rng.normal(size=60).astype(np.float32)
    before = [a.copy() for a in (x, weight, bias)]

    one, two, three = (rw.ops.linear(x, weight, bias, threads=t) for t in (1, 2, 3))

    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
    for was, now in zip(before, (x, weight, bias), strict=True):
        np.testing.assert_array_equal(was, now)


def test_linear_takes_nothing_in_any_direction():
    assert rw.ops.linear(np.zeros((0, 3)), np.zeros((3, 4))).shape == (0, 4)
    assert rw.ops.linear(np.zeros((2, 3)), np.zeros((3, 0)), np.zeros(0)).shape == (2, 0)
    np.testing.assert_array_equal(
        rw.ops.linear(np.zeros((2, 0)), np.zeros((0, 2)), np.array([1.0, -1.0])),
        [[1.0, -1.0], [1.0, -1.0]],
    )
