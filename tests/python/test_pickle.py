"""What pickle and deepcopy take, and what they say about the rest."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import SMALL

import relweave as rw

FOLLOWS = ("user", "follows", "user")


def test_a_fitted_model_is_saved_not_pickled(model):
    for refused in (pickle.dumps, copy.deepcopy):
        with pytest.raises(rw.DTypeError, match=r"Recommender: pickle: .*save\(path\).*rw.load"):
            refused(model)
    unfitted = pickle.loads(pickle.dumps(rw.Recommender(seed=5)))
    assert unfitted.seed == 5


def test_what_lies_in_the_memory_of_cpp_says_what_to_do_instead_of_pickle(tiny):
    catalog = tiny.catalog()
    graph = rw.CoInteractionGraph.build(tiny.log(), catalog)
    hgnn = rw.HGNN(config={"layers": (8,), "epochs": 1})
    hgnn.fit(graph, tiny.vectors, progress=False)
    towers = rw.TwoTower(config={"layers": (8,), "epochs": 1})
    towers.fit(tiny.log(), catalog, tiny.vectors, tiny.vectors, progress=False)
    network = rw.nn.HeteroSAGE(rw.Schema(["user"], [FOLLOWS]), {"user": 2})

    for value, message in (
        (graph, r"CoInteractionGraph: pickle: .*save\(path\)"),
        (hgnn, r"HGNN: pickle: .*save\(path\)"),
        (towers, r"TwoTower: pickle: .*save\(path\)"),
        (rw.ExactIndex(np.eye(3)), "ExactIndex: pickle: .*Pickle the vectors"),
        (network, "HeteroSAGE: pickle: .*save_safetensors"),
        (rw.optim.SGD(np.ones(3)), "optimizer: pickle: .*Make a new one"),
        (rw.optim.Adam(np.ones(3, "f4")), "optimizer: pickle: .*Make a new one"),
    ):
        for refused in (pickle.dumps, copy.deepcopy):
            with pytest.raises(rw.DTypeError, match=message):
                refused(value)


def test_plain_data_and_unfitted_models_are_pickled(tiny):
    weighted = rw.HeteroGraph(
        {"user": 3, "item": 2},
        {FOLLOWS: ([2, 0, 0], [1, 1, 1], [3.0, 1.0, 2.0]), ("item", "of", "user"): ([], [])},
    )

    again = pickle.loads(pickle.dumps(weighted))

    assert again.schema == weighted.schema
    assert again.node_counts == weighted.node_counts
    for there, here in zip(again.edges(FOLLOWS), weighted.edges(FOLLOWS), strict=True):
        np.testing.assert_array_equal(there, here)
    np.testing.assert_array_equal(again.weights(FOLLOWS), weighted.weights(FOLLOWS))
    assert again.weights(("item", "of", "user")) is None
    for value in (rw.Recommender(**SMALL), rw.HGNN(seed=4), tiny.log(), tiny.catalog()):
        assert repr(pickle.loads(pickle.dumps(value))) == repr(value)
