"""Arrays of PyTorch and of any layout into the public faces, and results back to PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import relweave as rw
from relweave._arrays import as_array, as_indices, as_matrix

FOLLOWS = ("user", "follows", "user")
GRAPH = rw.HeteroGraph({"user": 3}, {FOLLOWS: ([0, 1, 2], [2, 2, 0])})
X = np.arange(12, dtype=np.float32).reshape(3, 4) / 10


class OnDevice:
    """An array in memory that the processor cannot read, as CuPy and torch.cuda give them."""

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **_):
        raise AssertionError("the memory must not be asked for")


def aggregate(x):
    return rw.ops.relation_aggregate(GRAPH, dst="user", messages={FOLLOWS: x})


def dense(x):
    return rw.ops.linear(x, np.eye(4, 2, dtype=np.float32))


def network(x):
    return rw.nn.HeteroSAGE(GRAPH.schema, {"user": 4}, hidden=2, dtype=np.float32)(
        GRAPH, {"user": x}
    )["user"]


def hinge(x):
    return rw.loss.margin(np.ones(3, np.float32), x).grad_negative


def softmax(x):
    return rw.loss.sampled_softmax(x, [0, 1, 2], np.zeros(4, np.float32)).grad_scores


def stepped(x):
    values = np.zeros((3, 4), np.float32)
    rw.optim.SGD(values, 1.0).step(x)
    return values


def search(x):
    return rw.ExactIndex(x).search(x, k=2)[1]


FACES = [aggregate, dense, network, hinge, softmax, stepped, search]
LAYOUTS = {
    "torch": torch.tensor(X),
    "transposed torch": torch.tensor(X.T.copy()).T,
    "fortran": np.asfortranarray(X),
    "part": np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": X[::-1].copy()[::-1],
    "locked": np.frombuffer(X.tobytes(), np.float32).reshape(3, 4),
}


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_layout_gives_the_same(face, layout):
    given = LAYOUTS[layout]

    np.testing.assert_array_equal(face(given), face(X))


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (X.astype(np.int32), rw.DTypeError, "int32"),
        (X.astype(np.float16), rw.DTypeError, "float16"),
        (X.astype(">f4"), rw.DTypeError, ">f4"),
        (X.astype(object), rw.DTypeError, "object"),
        (X[0], rw.ShapeError, "expected"),
        (X[None], rw.ShapeError, "expected"),
        (torch.tensor(X).to(torch.bfloat16), rw.DTypeError, "Tensor that cannot be read"),
        (torch.tensor(X, requires_grad=True), rw.DTypeError, "detach"),
        (torch.tensor(X).to_sparse(), rw.DTypeError, "layout"),
        (OnDevice(), rw.DeviceError, "device type 2"),
    ],
)
def test_what_cannot_be_read_is_refused(face, value, error, message):
    with pytest.raises(error, match=message):
        face(value)


@pytest.mark.parametrize("given", [X, torch.tensor(X), memoryview(X)])
def test_contiguous_arrays_are_not_copied(given):
    view = as_matrix(given, "f: x")

    address = given.data_ptr() if isinstance(given, torch.Tensor) else X.ctypes.data
    assert view.ctypes.data == address


def test_contiguous_indices_are_not_copied():
    index = torch.tensor([0, 2], dtype=torch.int32)

    assert as_indices(index, "f: x", 3).ctypes.data == index.data_ptr()
    np.testing.assert_array_equal(as_indices(torch.tensor([2, 0]), "f: x", 3), [2, 0])


def test_the_inputs_of_a_network_are_read_in_place():
    x = torch.tensor(X, dtype=torch.float64)
    net = rw.nn.HeteroSAGE(GRAPH.schema, {"user": 4}, hidden=2, layers=1, dtype=np.float64)
    push = {"user": np.ones((3, 2))}
    net(GRAPH, {"user": x})
    net.backward(push)
    before = net.gradients()["layers.0.self.user.weight"].copy()

    x *= 2  # backward reads the inputs again

    net.backward(push)
    np.testing.assert_allclose(net.gradients()["layers.0.self.user.weight"], 2 * before)


def test_optimisers_update_tensors_in_place():
    weight = torch.ones(2, 3)
    parameter = torch.nn.Parameter(torch.ones(4))

    rw.optim.SGD({"w": weight, "p": parameter.detach()}, 0.5).step(
        {"w": torch.ones(2, 3), "p": np.ones(4, np.float32)}
    )

    assert (weight == 0.5).all()
    assert (parameter == 0.5).all()


def test_parameters_of_a_network_are_shared_with_torch():
    net = rw.nn.HeteroSAGE(GRAPH.schema, {"user": 4}, hidden=2)
    weight = net.parameters()["layers.0.self.user.weight"]

    shared = torch.from_numpy(weight)
    shared.zero_()

    assert (net.parameters()["layers.0.self.user.weight"] == 0).all()
    assert torch.from_dlpack(weight).data_ptr() == shared.data_ptr()
    name = "layers.0.message.user__follows__user.bias"
    net.load_parameters({**net.parameters(), name: torch.ones(2)})
    assert (net.parameters()[name] == 1).all()


@pytest.mark.parametrize("face", FACES)
def test_results_go_to_torch_without_a_copy(face):
    result = face(X)

    for convert in (torch.from_dlpack, torch.from_numpy):
        tensor = convert(result)
        tensor.add_(1)
        assert tensor.data_ptr() == result.ctypes.data


def test_graphs_take_tensors():
    ends = torch.tensor([0, 1, 2]), torch.tensor([2, 2, 0])
    weights = torch.tensor([0.5, 1.5, 2.5])

    graph = rw.HeteroGraph({"user": 3}, {FOLLOWS: (*ends, weights)})

    np.testing.assert_array_equal(graph.edges(FOLLOWS)[0], [2, 0, 1])
    np.testing.assert_array_equal(graph.weights(FOLLOWS), [2.5, 0.5, 1.5])
    with pytest.raises(rw.DeviceError, match="edges"):
        rw.HeteroGraph({"user": 3}, {FOLLOWS: (OnDevice(), ends[1])})


def test_other_values_are_numpys():
    np.testing.assert_array_equal(as_array([1, 2], "f: x"), [1, 2])
    np.testing.assert_array_equal(as_matrix([[1.0], [2.0]], "f: x"), [[1], [2]])
