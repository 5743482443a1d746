"""Stages, baselines and the index used by hand: what each refuses."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import relweave as rw

X = np.ones((3, 2), np.float32)
INDEX = rw.ExactIndex(np.eye(3, dtype=np.float32))
HUGE = np.full((2, 3), 1e300)


@pytest.fixture(scope="module")
def graph(tiny):
    return rw.CoInteractionGraph.build(tiny.log(), tiny.catalog())


@pytest.fixture(scope="module")
def hgnn(tiny, graph):
    settings = {"layers": (8, 8), "epochs": 1}
    return rw.HGNN(config=settings).fit(graph, tiny.vectors, progress=False)


@pytest.fixture(scope="module")
def towers(tiny, hgnn):
    settings = {"layers": (8,), "epochs": 1}
    return rw.TwoTower(config=settings).fit(
        tiny.log(), tiny.catalog(), tiny.vectors, hgnn.vectors_, progress=False
    )


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"min_count": -1}, rw.ConfigError, "min_count: got -1"),
        ({"min_count": 0}, rw.ConfigError, "min_count: got 0"),
        ({"min_count": 1.5}, rw.ConfigError, "graph.min_count: got 1.5"),
        ({"max_history": 1}, rw.ConfigError, "max_history: got 1, expected at least 2"),
        ({"max_history": 0}, rw.ConfigError, "max_history: got 0, expected at least 2"),
        ({"max_history": -1}, rw.ConfigError, "max_history: got -1, expected at least 2"),
        ({"max_history": 2**31}, rw.ConfigError, "max_history: got 2147483648"),
        ({"window_seconds": 2**63}, rw.ConfigError, "window_seconds: got 9223372036854775808"),
        ({"top_neighbors": -1}, rw.ConfigError, "top_neighbors: got -1"),
        ({"window_seconds": -1}, rw.ConfigError, "window_seconds: got -1"),
        ({"window_seconds": np.nan}, rw.ConfigError, "window_seconds: got nan"),
        ({"weight": "jaccard"}, rw.ConfigError, "count, cosine, pmi"),
        ({"strong_only": "no"}, rw.ConfigError, "true or false"),
        ({"min_cuont": 1}, rw.ConfigError, "Did you mean 'min_count'"),
        (3, rw.DTypeError, "a mapping"),
    ],
)
def test_bad_settings_of_the_item_graph_are_refused(tiny, config, error, message):
    with pytest.raises(error, match=message):
        rw.CoInteractionGraph.build(tiny.log(), tiny.catalog(), config)


def test_no_cap_on_the_neighbors_is_said_by_zero(tiny):
    every, few = (
        rw.CoInteractionGraph.build(tiny.log(), tiny.catalog(), {"top_neighbors": top})
        for top in (0, 2)
    )

    assert len(every) == every.report().links_found > len(few)


@pytest.mark.parametrize("threads", [0, -1, 4097, 1.5, "2", True])
def test_threads_that_are_no_count_are_refused_by_the_item_graph(tiny, threads):
    with pytest.raises(
        rw.ConfigError, match=r"CoInteractionGraph\.build: threads: got .* 1 to 4096"
    ):
        rw.CoInteractionGraph.build(tiny.log(), tiny.catalog(), threads=threads)


@pytest.mark.parametrize("word", ["0", "-1", "4097", "two", "1.5"])
def test_a_default_number_of_threads_that_is_none_is_refused(word):
    program = "import relweave; relweave.show_config()"
    environment = {**os.environ, "RELWEAVE_NUM_THREADS": word}

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"ConfigError: default_threads: RELWEAVE_NUM_THREADS: got '{word}'" in done.stderr


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fanout": 0}, "fanout: got 0, expected at least 1"),
        ({"fanout": -1}, "fanout: got -1, expected at least 1"),
        ({"fanout": 2**31}, "fanout: got 2147483648"),
        ({"fanout": None}, "fanout: got null"),
        ({"batch": 0}, "batch: got 0, expected 1 to"),
        ({"negatives": 0}, "negatives: got 0, expected 1 to"),
        ({"negatives": 2**16 + 1}, "negatives: got 65537, expected 1 to 65536"),
        ({"inference_draws": 0}, "inference_draws: got 0, expected at least 1"),
        ({"patience": -1}, "patience: got -1, expected at least 1"),
        ({"layers": (8, 0)}, "layers: got 0"),
    ],
)
def test_bad_settings_of_the_hgnn_are_refused(tiny, graph, config, message):
    model = rw.HGNN(config=config)

    with pytest.raises(rw.ConfigError, match=message):
        model.fit(graph, tiny.vectors, progress=False)
    with pytest.raises(rw.NotFittedError):
        _ = model.vectors_


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_history": 0}, "max_history: got 0, expected at least 1"),
        ({"window_seconds": -1}, "window_seconds: got -1, expected at least 0"),
        ({"batch": 0}, "batch: got 0, expected 1 to"),
        ({"epochs": -1}, "epochs: got -1, expected at least 0"),
        ({"trend_seconds": -1}, "trend_seconds: got -1, expected at least 0"),
    ],
)
def test_bad_settings_of_the_towers_are_refused(tiny, config, message):
    model = rw.TwoTower(config=config)

    with pytest.raises(rw.ConfigError, match=message):
        model.fit(tiny.log(), tiny.catalog(), tiny.vectors, tiny.vectors, progress=False)
    with pytest.raises(rw.NotFittedError):
        _ = model.item_vectors_


@pytest.mark.parametrize("stage", [rw.HGNN, rw.TwoTower, rw.Recommender])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threads": 0}, "threads: got 0"),
        ({"threads": -1}, "threads: got -1"),
        ({"seed": -1}, "seed: got -1"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_bad_settings_are_refused_by_every_fit(tiny, graph, stage, settings, message):
    model = stage(**settings)
    given = (
        (graph, tiny.vectors) if stage is rw.HGNN else (tiny.log(), tiny.catalog(), tiny.vectors)
    )
    more = (tiny.vectors,) if stage is rw.TwoTower else ()

    with pytest.raises(rw.ConfigError, match=f"fit: {message}"):
        model.fit(*given, *more, progress=False)


@pytest.mark.parametrize("value", ["g", None, X])
def test_the_hgnn_takes_item_graphs_only(value):
    with pytest.raises(rw.DTypeError, match=r"graph: got .*, expected a CoInteractionGraph"):
        rw.HGNN().fit(value, X, progress=False)


def test_progress_that_is_no_function_is_refused(tiny, graph):
    with pytest.raises(rw.DTypeError, match="progress: got int"):
        rw.HGNN().fit(graph, tiny.vectors, progress=3)
    with pytest.raises(rw.DTypeError, match="progress: got int"):
        rw.TwoTower().fit(tiny.log(), tiny.catalog(), tiny.vectors, tiny.vectors, progress=3)


@pytest.mark.parametrize(
    ("columns", "features", "edges", "error", "message"),
    [
        ({"kind": ["film"]}, np.ones((1, 4)), None, rw.ConfigError, "unknown ids such as 'film'"),
        ({}, np.ones((1, 5)), None, rw.ShapeError, "5 columns, expected 4, as in training"),
        ({}, np.ones((2, 4)), None, rw.ShapeError, r"\(2, 4\)"),
        ({}, np.full((1, 4), np.nan), None, rw.ConfigError, "nan in row 0"),
        ({}, np.ones((1, 4)), (["m"], ["i0"]), rw.ConfigError, "unknown ids such as 'm'"),
        ({}, np.ones((1, 4)), (["n"], ["zz"]), rw.ConfigError, "unknown ids such as 'zz'"),
        ({}, np.ones((1, 4)), (["n"], [None]), rw.ConfigError, "missing ids"),
        ({}, np.ones((1, 4)), (["n"], [3]), rw.DTypeError, "strings"),
        ({}, np.ones((1, 4)), (["n"],), rw.DTypeError, "a pair"),
    ],
)
def test_bad_new_items_are_refused_by_the_hgnn(hgnn, columns, features, edges, error, message):
    new = rw.Catalog({"item": ["n"], "kind": ["song"], **columns}, id="item", type="kind")

    with pytest.raises(error, match=message):
        hgnn.embed_new(new, features, edges)
    with pytest.raises(rw.DTypeError, match="a Catalog"):
        hgnn.embed_new({"item": ["n"]}, features, edges)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"histories": [["zz"]]}, rw.ConfigError, "unknown ids such as 'zz'"),
        ({"histories": [[None]]}, rw.ConfigError, "missing ids"),
        ({"histories": [[3]]}, rw.DTypeError, "strings"),
        ({"histories": 3}, rw.DTypeError, "a list of item ids per user"),
        ({"histories": [["i0"]], "user_ids": ["a", "b"]}, rw.ShapeError, "one per user"),
        ({"histories": [["i0"]], "users": {"user": ["a"], "x": [1]}}, rw.ConfigError, "without"),
    ],
)
def test_bad_histories_are_refused_by_the_towers(towers, arguments, error, message):
    with pytest.raises(error, match=message):
        towers.user_vectors(**arguments)


def test_users_without_history_have_a_finite_vector(towers):
    vectors = towers.user_vectors([[], ["i0"], []])

    assert np.isfinite(vectors).all()
    np.testing.assert_array_equal(vectors[0], vectors[2])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: rw.HGNN().history_,
        lambda: rw.HGNN().parameters(),
        lambda: rw.HGNN().embed_new(None, None),
        lambda: rw.TwoTower().history_,
        lambda: rw.TwoTower().item_vectors_,
        lambda: rw.TwoTower().item_bias_,
        lambda: rw.Recommender().history_,
        lambda: rw.Recommender().fit_report_,
        lambda: rw.Recommender().item_ids_,
        lambda: rw.Recommender().columns_,
        lambda: rw.baselines.Popularity().recommend(["u0"]),
        lambda: rw.baselines.Popularity().seen(["u0"]),
        lambda: rw.baselines.Popularity().item_counts(),
        lambda: rw.baselines.Trend().score_users(["u0"]),
    ],
)
def test_asking_before_fitting_is_refused(ask):
    with pytest.raises(rw.NotFittedError, match="Call fit first"):
        ask()


def test_names_that_no_fit_sets_are_no_attributes():
    for model in (rw.Recommender(), rw.HGNN(), rw.TwoTower()):
        with pytest.raises(AttributeError, match="no attribute 'histroy_'"):
            _ = model.histroy_
        assert not hasattr(model, "history_")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rw.baselines.ItemKNN(neighbors=0), "neighbors: got 0"),
        (lambda: rw.baselines.ItemKNN(weak_weight="x"), "weak_weight: got 'x'"),
        (lambda: rw.baselines.EASE(regularization=0), "regularization: got 0"),
        (lambda: rw.baselines.EASE(half_life_days=0), "half_life_days: got 0"),
        (lambda: rw.baselines.Popularity(days=-1), "days: got -1"),
        (lambda: rw.baselines.Trend(beta=np.nan), "beta: got nan"),
        (lambda: rw.baselines.VectorKNN(weak_weight=np.inf), "weak_weight: got inf"),
    ],
)
def test_bad_settings_of_baselines_leave_nothing_fitted(tiny, make, message):
    baseline = make()

    with pytest.raises(rw.ConfigError, match=message):
        baseline.fit(tiny.log(), tiny.catalog(), tiny.vectors)
    with pytest.raises(rw.NotFittedError):
        baseline.recommend(["u0"])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, rw.ConfigError, "k: got 0"),
        ({"k": 2.5}, rw.ConfigError, "k: got 2.5"),
        ({"user_ids": [3]}, rw.DTypeError, "strings"),
        ({"user_ids": "u0"}, rw.DTypeError, r"Write \[id\]"),
        ({"exclude_seen": "no"}, rw.ConfigError, "exclude_seen"),
    ],
)
def test_bad_requests_are_refused_by_baselines(tiny, arguments, error, message):
    baseline = rw.baselines.Popularity().fit(tiny.log(), tiny.catalog())

    with pytest.raises(error, match=message):
        baseline.recommend(**{"user_ids": ["u0"], **arguments})


@pytest.mark.parametrize("k", [0, -1, 2.7, "3", None, True, 2**31])
def test_a_k_that_is_no_count_is_refused_by_the_index(k):
    with pytest.raises(rw.ConfigError, match=r"ExactIndex\.search: k: got"):
        INDEX.search(X[:, :1] @ np.ones((1, 3), np.float32), k=k)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rw.ExactIndex(np.full((2, 2), np.nan, "f4")), rw.ConfigError, "nan in row 0"),
        (lambda: rw.ExactIndex(HUGE), rw.ConfigError, "inf in row 0"),
        (lambda: rw.ExactIndex(np.ones((3, 0), "f4")), rw.ShapeError, "at least one number"),
        (lambda: rw.ExactIndex(np.eye(3)).add(np.eye(2)), rw.ShapeError, r"shape \(2, 2\)"),
        (lambda: rw.ExactIndex(np.eye(3)).add(HUGE), rw.ConfigError, "inf in row 0"),
        (lambda: rw.ExactIndex(np.eye(3)).add([0, 1]), rw.DTypeError, "add: vectors"),
        (lambda: INDEX.search(HUGE), rw.ConfigError, "inf in row 0"),
        (lambda: INDEX.search(np.full((1, 3), -np.inf)), rw.ConfigError, "-inf in row 0"),
        (lambda: INDEX.search(X), rw.ShapeError, r"\(3, 2\).*\(3, 3\)"),
        (lambda: INDEX.search([[1.0], [1.0, 2.0]]), rw.DTypeError, "queries: got a list"),
        (lambda: INDEX.search(np.eye(3), threads=0), rw.ConfigError, "threads: got 0"),
    ],
)
def test_bad_vectors_are_refused_by_the_index(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_index_of_nothing_and_a_k_beyond_it_give_empty_places():
    ids, scores = rw.ExactIndex(np.empty((0, 3), "f4")).search(np.eye(3), k=2)
    few, _ = INDEX.search(np.eye(3), k=5)

    assert (ids == -1).all()
    assert np.isneginf(scores).all()
    assert (few[:, 3:] == -1).all()
