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


FOLLOWS = ("user", "follows", "user")
RATED = ("item", "rated", "user")


def two_relations():
    rng = np.random.default_rng(3)
    edges = {
        FOLLOWS: (rng.integers(0, 20, 90), rng.integers(0, 20, 90)),
        RATED: (rng.integers(0, 15, 70), rng.integers(0, 20, 70)),
    }
    graph = rw.HeteroGraph({"user": 20, "item": 15}, edges)
    return graph, {FOLLOWS: rng.normal(size=(20, 5)), RATED: rng.normal(size=(15, 5))}, rng


def test_messages_of_all_relations_may_be_one_array():
    graph, messages, _ = two_relations()

    apart = rw.ops.relation_aggregate(graph, dst="user", messages=messages)
    joined = np.concatenate([messages[r] for r in graph.relations_into("user")])
    together = rw.ops.relation_aggregate(graph, dst="user", messages=joined)

    np.testing.assert_array_equal(apart, together)
    with pytest.raises(rw.ShapeError, match="messages: got 34 rows, expected 35"):
        rw.ops.relation_aggregate(graph, dst="user", messages=joined[1:])


@pytest.mark.parametrize("reduce", ["max", "mean", "sum"])
@pytest.mark.parametrize("options", [{}, {"activation": "identity"}, {"l2_normalize": True}])
@pytest.mark.parametrize("implementation", ["cpu", "reference"])
def test_gradients_of_the_aggregation_equal_differences(reduce, options, implementation):
    graph, messages, rng = two_relations()
    own = rng.normal(size=(20, 5))
    push = rng.normal(size=(20, 5))

    def loss(messages, own):
        out = rw.ops.relation_aggregate(
            graph, dst="user", messages=messages, self=own, reduce=reduce, **options
        )
        return (out * push).sum()

    _, cache = rw.ops.relation_aggregate(
        graph,
        dst="user",
        messages=messages,
        self=own,
        reduce=reduce,
        return_cache=True,
        implementation=implementation,
        **options,
    )
    grads, grad_own = rw.ops.relation_aggregate_backward(cache, push)

    step = 1e-6
    for relation, own_gradient in [(FOLLOWS, None), (RATED, None), (None, grad_own)]:
        gradient = grads[relation] if own_gradient is None else own_gradient
        for at in zip(*(rng.integers(0, n, 12) for n in gradient.shape), strict=True):
            values = []
            for sign in (step, -step):
                shifted = {r: z.copy() for r, z in messages.items()}
                shifted_own = own.copy()
                (shifted[relation] if relation else shifted_own)[at] += sign
                values.append(loss(shifted, shifted_own))
            assert gradient[at] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-6)


def test_the_cache_comes_after_the_winners_and_serves_again():
    graph, messages, _ = two_relations()
    plain = rw.ops.relation_aggregate(graph, dst="user", messages=messages)

    out, arg, cache = rw.ops.relation_aggregate(
        graph, dst="user", messages=messages, return_arg=True, return_cache=True
    )
    once, own = rw.ops.relation_aggregate_backward(cache, np.ones_like(out), threads=1)
    again, _ = rw.ops.relation_aggregate_backward(cache, np.ones_like(out), threads=3)

    np.testing.assert_array_equal(out, plain)
    assert set(arg) == set(once) == {FOLLOWS, RATED}
    assert own is None
    assert once[FOLLOWS].shape == (20, 5)
    for relation, gradient in once.items():
        np.testing.assert_array_equal(gradient, again[relation])


@pytest.mark.parametrize(
    ("cache", "grad", "error", "message"),
    [
        (False, np.ones((20, 5)), rw.DTypeError, "cache: got ndarray, expected an AggregateCache"),
        (True, np.ones((20, 4)), rw.ShapeError, r"grad_out: got shape \(20, 4\)"),
        (True, np.ones((20, 5), "f4"), rw.DTypeError, "grad_out: got dtype float32"),
        (True, np.ones(5), rw.ShapeError, "grad_out: got 1 dimensions"),
    ],
)
def test_bad_arguments_of_the_backward_pass_are_refused(cache, grad, error, message):
    graph, messages, _ = two_relations()
    out, kept = rw.ops.relation_aggregate(graph, dst="user", messages=messages, return_cache=True)

    with pytest.raises(error, match=f"relation_aggregate_backward: {message}"):
        rw.ops.relation_aggregate_backward(kept if cache else out, grad)


def test_a_type_without_relations_has_gradients_of_its_own_term_alone():
    graph = rw.HeteroGraph({"user": 3}, {})
    own = np.array([[1.0], [-1.0], [2.0]])

    _, cache = rw.ops.relation_aggregate(
        graph, dst="user", messages={}, self=own, return_cache=True
    )
    grads, grad_own = rw.ops.relation_aggregate_backward(cache, np.ones((3, 1)))

    assert grads == {}
    np.testing.assert_array_equal(grad_own, [[1.0], [0.0], [1.0]])


def test_nan_stays_in_its_row_of_a_dense_layer_and_passes_relu():
    x = X.copy()
    x[1, 2] = np.nan

    out = rw.ops.linear(x, WEIGHT, activation="relu")

    assert np.isnan(out[1]).all()
    np.testing.assert_array_equal(out[0], rw.ops.linear(X, WEIGHT, activation="relu")[0])


@pytest.mark.parametrize("implementation", ["cpu", "reference"])
@pytest.mark.parametrize("reduce", ["max", "mean", "sum"])
def test_nan_wins_a_maximum_and_reaches_the_rows_that_read_it_alone(reduce, implementation):
    follows = ("user", "follows", "user")
    graph = rw.HeteroGraph({"user": 3}, {follows: ([0, 1, 2, 2], [1, 1, 0, 2])})
    messages = np.array([[9, 9], [np.nan, 3], [5, 6]], np.float32)
    options = {"dst": "user", "reduce": reduce, "implementation": implementation}

    out = rw.ops.relation_aggregate(graph, messages={follows: messages}, **options)
    unit = rw.ops.relation_aggregate(
        graph, messages={follows: messages}, l2_normalize=True, **options
    )

    assert np.isnan(out).tolist() == [[False] * 2, [True, False], [False] * 2]
    assert np.isnan(unit).tolist() == [[False] * 2, [True, True], [False] * 2]
    np.testing.assert_array_equal(out[[0, 2]], messages[[2, 2]])


def test_the_gradient_of_a_maximum_goes_to_nan_where_it_won():
    follows = ("user", "follows", "user")
    graph = rw.HeteroGraph({"user": 3}, {follows: ([0, 1], [2, 2])})
    messages = np.array([[9, 9], [np.nan, 3], [0, 0]], np.float32)
    out, cache = rw.ops.relation_aggregate(
        graph, dst="user", messages={follows: messages}, return_cache=True
    )

    gradients, own = rw.ops.relation_aggregate_backward(cache, np.ones_like(out))

    assert np.isnan(out[2, 0])
    assert own is None
    assert gradients[follows][:, 1].tolist() == [1, 0, 0]
    assert gradients[follows][0, 0] == gradients[follows][2, 0] == 0
