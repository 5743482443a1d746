"""Graphs, networks, operations, losses, optimisers and files of arrays: what each refuses."""

from __future__ import annotations

import numpy as np
import pytest

import relweave as rw

FOLLOWS = ("user", "follows", "user")
GRAPH = rw.HeteroGraph({"user": 3}, {FOLLOWS: ([0, 1], [1, 2])})
X = np.ones((3, 2), np.float32)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"hidden": 0}, rw.ConfigError, "hidden: got 0"),
        ({"hidden": 2.5}, rw.ConfigError, "hidden: got 2.5"),
        ({"hidden": [2.5]}, rw.ConfigError, "hidden: got 2.5"),
        ({"hidden": "a"}, rw.ConfigError, "hidden: got 'a'"),
        ({"hidden": True}, rw.ConfigError, "hidden: got True"),
        ({"hidden": 2**40}, rw.ConfigError, "hidden: got 1099511627776"),
        ({"hidden": []}, rw.ConfigError, "no layer"),
        ({"layers": 0}, rw.ConfigError, "layers: got 0"),
        ({"layers": 1.5}, rw.ConfigError, "layers: got 1.5"),
        ({"seed": -1}, rw.ConfigError, "seed: got -1"),
        ({"reduce": "min"}, rw.ConfigError, "max, mean or sum"),
        ({"l2_normalize": "no"}, rw.ConfigError, "l2_normalize: got 'no'"),
        ({"share_directions": 3}, rw.ConfigError, "share_directions: got 3"),
        ({"dtype": "f2"}, rw.DTypeError, "float32 or float64"),
        ({"dtype": "real"}, rw.DTypeError, "dtype: got 'real'"),
        ({"threads": 0}, rw.ConfigError, "threads: got 0"),
        ({"in_features": {"user": 0}}, rw.ConfigError, r"in_features\['user'\]: got 0"),
        ({"in_features": {"user": 2.5}}, rw.ConfigError, "got 2.5"),
        ({"in_features": {"user": None}}, rw.ConfigError, "got None"),
        ({"in_features": 3}, rw.DTypeError, "in_features: got a int"),
    ],
)
def test_bad_settings_of_a_network_are_refused(settings, error, message):
    with pytest.raises(error, match=f"HeteroS(AGE|age): .*{message}"):
        rw.nn.HeteroSAGE(GRAPH, **{"in_features": {"user": 2}, "hidden": 2, **settings})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: net("graph", {"user": X}), rw.DTypeError, "graph: got str"),
        (lambda net: net(GRAPH, {}), rw.ConfigError, r"features: got types \[\]"),
        (lambda net: net(GRAPH, [X]), rw.DTypeError, "features: got a list"),
        (lambda net: net(GRAPH, {"user": X[:2]}), rw.ShapeError, r"\(2, 2\).*\(3, 2\)"),
        (lambda net: net(GRAPH, {"user": X.T.copy()}), rw.ShapeError, r"\(2, 3\).*\(3, 2\)"),
        (lambda net: net(GRAPH, {"user": X.astype("f8")}), rw.DTypeError, "float64"),
        (lambda net: net.backward({"user": X}), rw.ConfigError, "no forward pass"),
        (lambda net: net.load_parameters({}), rw.ConfigError, r"values: got \[\]"),
        (lambda net: net.load_parameters([X]), rw.DTypeError, "values: got a list"),
    ],
)
def test_bad_arguments_of_a_network_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(rw.nn.HeteroSAGE(GRAPH, {"user": 2}, hidden=2))


@pytest.mark.parametrize(
    ("counts", "edges", "error", "message"),
    [
        (3, {}, rw.DTypeError, "node_counts: got a int"),
        ({"user": 3}, [FOLLOWS], rw.DTypeError, "edges: got a list"),
        ({"user": -1}, {}, rw.GraphError, "-1 nodes of type user"),
        ({"user": 2.7}, {}, rw.GraphError, "2.7 nodes of type user"),
        ({"user": "3"}, {}, rw.GraphError, "'3' nodes of type user"),
        ({"user": 2**40}, {}, rw.GraphError, "expected 0 to 2147483647"),
        (
            {"user": 2**31 - 1},
            {FOLLOWS: ([0], [1]), ("user", "blocks", "user"): ([0], [1])},
            rw.GraphError,
            "4294967294 message rows into user, expected at most 2147483647.*merge relations",
        ),
        ({"user": 3}, {FOLLOWS: 3}, rw.GraphError, "got a int"),
        ({"user": 3}, {FOLLOWS: ([0],)}, rw.GraphError, "1 arrays"),
        ({"user": 3}, {FOLLOWS: ([0], [3])}, rw.IndexError, "got 3 at position 0"),
        ({"user": 3}, {FOLLOWS: ([-1], [0])}, rw.IndexError, "got -1 at position 0"),
        ({"user": 3}, {FOLLOWS: ([0.5], [0])}, rw.GraphError, "float64"),
        ({"user": 3}, {FOLLOWS: ([0], [0, 1])}, rw.ShapeError, "2 elements"),
        ({"user": 3}, {FOLLOWS: ([0], [1], [1.0, 2.0])}, rw.ShapeError, "2 elements"),
        ({"user": 3}, {FOLLOWS: ([0], [1], ["x"])}, rw.GraphError, "weight: got shape"),
        ({"user": 3}, {FOLLOWS: ([0], [1], [np.nan])}, rw.GraphError, "nan at position 0"),
        ({"user": 3}, {FOLLOWS: ([0], [1], [1e300])}, rw.GraphError, "inf at position 0"),
        ({"user": 3}, {FOLLOWS: ([[0], [1, 2]], [1])}, rw.DTypeError, "edges"),
        ({"user": 3}, {("user", "x", "item"): ([0], [1])}, rw.GraphError, "types among user"),
    ],
)
def test_bad_graphs_are_refused(counts, edges, error, message):
    with pytest.raises(error, match=message):
        rw.HeteroGraph(counts, edges)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"graph": "graph"}, rw.DTypeError, "graph: got str"),
        ({"dst": "item"}, rw.GraphError, "one of user"),
        ({"messages": {}}, rw.ConfigError, r"messages: got relations \[\]"),
        ({"messages": "X"}, rw.DTypeError, "messages: got dtype <U1"),
        ({"messages": X[:2]}, rw.ShapeError, "messages: got 2 rows, expected 3"),
        ({"messages": [X]}, rw.ShapeError, "messages: got 3 dimensions, expected 2"),
        ({"messages": {FOLLOWS: X[:2]}}, rw.ShapeError, "2 rows, expected 3"),
        ({"self": X[:2]}, rw.ShapeError, r"\(2, 2\)"),
        ({"self": X[:, :1]}, rw.ShapeError, "one number of columns"),
        ({"reduce": "min"}, rw.ConfigError, "max, mean or sum"),
        ({"activation": "tanh"}, rw.ConfigError, "relu or identity"),
        ({"implementation": "gpu"}, rw.ConfigError, "cpu or reference"),
        ({"l2_normalize": "yes"}, rw.ConfigError, "l2_normalize: got 'yes'"),
        ({"return_arg": True, "reduce": "mean"}, rw.ConfigError, "return_arg"),
        ({"threads": 0}, rw.ConfigError, "threads: got 0"),
    ],
)
def test_bad_arguments_of_the_aggregation_are_refused(arguments, error, message):
    given = {"graph": GRAPH, "dst": "user", "messages": {FOLLOWS: X}, **arguments}

    with pytest.raises(error, match=message):
        rw.ops.relation_aggregate(given.pop("graph"), **given)


def test_rows_of_zeros_are_normalised_to_zeros():
    zeros = {FOLLOWS: np.zeros((3, 2))}

    out = rw.ops.relation_aggregate(GRAPH, dst="user", messages=zeros, l2_normalize=True)

    assert (out == 0).all()


S, Q = np.zeros((2, 3)), np.zeros(3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rw.loss.margin(Q, S.T, margin="x"), rw.ConfigError, "margin: got 'x'"),
        (lambda: rw.loss.margin(Q, S.T, margin=True), rw.ConfigError, "margin: got True"),
        (lambda: rw.loss.bpr(None, S), rw.DTypeError, "positive: got dtype object"),
        (lambda: rw.loss.bpr(Q, [[1.0], [1.0, 2.0]]), rw.DTypeError, "negative: got a list"),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], Q, temperature=None),
            rw.ConfigError,
            "temperature: got None",
        ),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], Q, temperature=np.inf),
            rw.ConfigError,
            "temperature: got inf",
        ),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], Q, correction=np.nan),
            rw.ConfigError,
            "correction: got nan",
        ),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], np.array([0, -np.inf, 0])),
            rw.ConfigError,
            "log_q: got -inf at position 1",
        ),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], Q, count=Q - 1),
            rw.ConfigError,
            "count: got -1",
        ),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], Q, row_weights=np.array([3.0, -1.0])),
            rw.ConfigError,
            "row_weights: got -1",
        ),
        (
            lambda: rw.loss.sampled_softmax(S, [0, 1], Q, row_weights=np.array([np.nan, 1.0])),
            rw.ConfigError,
            "row_weights: got nan",
        ),
        (lambda: rw.loss.dot_product(S, [0, 1], Q - 1), rw.ConfigError, "weights: got -1"),
    ],
)
def test_bad_arguments_of_losses_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: rw.optim.SGD(p, momentum="x"), rw.ConfigError, "momentum: got 'x'"),
        (lambda p: rw.optim.SGD(p, momentum=-1), rw.ConfigError, "momentum: got -1"),
        (lambda p: rw.optim.SGD(p, nesterov="no"), rw.ConfigError, "nesterov: got 'no'"),
        (lambda p: rw.optim.Adam(p, betas=3), rw.ConfigError, "betas: got 3"),
        (lambda p: rw.optim.Adam(p, betas=(0.9,)), rw.ConfigError, r"betas: got \(0.9,\)"),
        (lambda p: rw.optim.Adam(p, betas=("x", 0.9)), rw.ConfigError, "beta1: got 'x'"),
        (lambda p: rw.optim.Adam(p, epsilon=None), rw.ConfigError, "epsilon: got None"),
        (lambda p: rw.optim.Adam(None), rw.DTypeError, "parameters: got a NoneType"),
        (lambda p: rw.optim.SGD(p, "x").step(p), rw.ConfigError, "learning_rate: got 'x'"),
        (lambda p: rw.optim.SGD(p, None).step(p), rw.ConfigError, "learning_rate: got None"),
        (lambda p: rw.optim.CosineSchedule("x", 5), rw.ConfigError, "base: got 'x'"),
        (lambda p: rw.optim.CosineSchedule(0.1, 2.5), rw.ConfigError, "steps: got 2.5"),
        (lambda p: rw.optim.SGD(p).step(np.ones(3), rows="a"), rw.ShapeError, "rows"),
    ],
)
def test_bad_arguments_of_optimisers_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones(3))


@pytest.mark.parametrize("path", [None, 3, ["a"], "a\0b", b"\xff", ""])
def test_paths_that_are_none_are_refused(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    for call in (
        lambda: rw.io.save_safetensors(path, {"a": X}),
        lambda: rw.io.load_safetensors(path),
    ):
        with pytest.raises((rw.DTypeError, rw.IoError), match="safetensors: path: got "):
            call()

    assert list(tmp_path.iterdir()) == []


def test_tensors_that_are_no_mapping_are_refused(tmp_path):
    with pytest.raises(rw.DTypeError, match="tensors: got list, expected a mapping"):
        rw.io.save_safetensors(tmp_path / "t", [X])
    with pytest.raises(rw.DTypeError, match="metadata: got list, expected a mapping"):
        rw.io.save_safetensors(tmp_path / "t", {}, ["made by hand"])
    with pytest.raises(rw.DTypeError, match="tensors"):
        rw.io.save_safetensors(tmp_path / "t", {"a": [[1.0], [1.0, 2.0]]})
