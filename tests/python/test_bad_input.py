"""What the recommender refuses; catalogue and log have tests of their own."""

import numpy as np
import pytest
from conftest import SMALL

import relweave as rw


def fit(tiny, settings=None, **arguments):
    given = {"train": tiny.log(), "catalog": tiny.catalog(), "features": tiny.vectors}
    return rw.Recommender(**(settings or SMALL)).fit(**{**given, **arguments}, progress=False)


def damaged(vectors, value):
    copy = vectors.copy()
    copy[3, 1] = value
    return copy


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (lambda t: {"features": None}, rw.ConfigError, "an encoder"),
        (lambda t: {"features": t.vectors[:10]}, rw.ShapeError, r"\(160, d\)"),
        (lambda t: {"features": t.vectors[:, 0]}, rw.ShapeError, r"\(160,\)"),
        (lambda t: {"features": np.empty((160, 0))}, rw.ShapeError, r"\(160, 0\)"),
        (lambda t: {"features": [["a"]] * 160}, rw.DTypeError, "numbers"),
        (lambda t: {"features": damaged(t.vectors, np.nan)}, rw.ConfigError, "row 3, column 1"),
        (lambda t: {"features": damaged(t.vectors, np.inf)}, rw.ConfigError, "inf in row 3"),
        (lambda t: {"train": t.events}, rw.DTypeError, "an InteractionLog"),
        (lambda t: {"catalog": t.items}, rw.DTypeError, "a Catalog"),
        (lambda t: {"users": {"user": ["u1"]}}, rw.ConfigError, "at least one column"),
        (lambda t: {"users": {"id": ["u1"], "x": [1]}}, rw.ConfigError, "'user'"),
        (lambda t: {"users": {"user": ["u1", "u1"], "x": [1, 2]}}, rw.ConfigError, "duplicate"),
        (lambda t: {"users": {"user": ["u1"], "x": [np.inf]}}, rw.ConfigError, "infinity"),
        (lambda t: {"users": {"user": [1], "x": [2]}}, rw.DTypeError, "strings"),
    ],
)
def test_bad_data_is_refused(tiny, arguments, error, message):
    with pytest.raises(error, match=message):
        fit(tiny, **arguments(tiny))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"threads": 0}, rw.ConfigError, "threads"),
        ({"threads": -2}, rw.ConfigError, "threads"),
        ({"threads": "2"}, rw.ConfigError, "threads"),
        ({"seed": -1}, rw.ConfigError, "seed"),
        ({"seed": 0.5}, rw.ConfigError, "seed"),
        ({"hgnn": {"epoch": 3}}, rw.ConfigError, "Did you mean 'epochs'"),
        ({"hgnn": 3}, rw.DTypeError, "a mapping"),
        ({"hgnn": {"epochs": -1}}, rw.ConfigError, "epochs"),
        ({"hgnn": {"epochs": "many"}}, rw.ConfigError, "hgnn.epochs"),
        ({"hgnn": {"layers": ()}}, rw.ConfigError, "layers"),
        ({"hgnn": {"balance": "sometimes"}}, rw.ConfigError, "none, floor, strict"),
        ({"hgnn": {"learning_rate": 0.0}}, rw.ConfigError, "learning_rate"),
        ({"towers": {"temperature": 0.0}}, rw.ConfigError, "temperature"),
        ({"towers": {"temperature": float("nan")}}, rw.ConfigError, "temperature: got nan"),
        ({"towers": {"batch": 0}}, rw.ConfigError, "batch"),
        ({"graph": {"min_count": -1}}, rw.ConfigError, "min_count"),
        ({"graph": {"top_neighbors": -1}}, rw.ConfigError, "top_neighbors"),
    ],
)
def test_bad_settings_are_refused_by_fit_and_leave_nothing_fitted(tiny, settings, error, message):
    model = rw.Recommender(**settings)

    with pytest.raises(error, match=message):
        model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)
    with pytest.raises(rw.NotFittedError):
        model.recommend(["u0"])


def test_ids_of_another_kind_or_none_in_common_are_refused(tiny):
    numbers = rw.Catalog({"item": np.arange(160)}, id="item")
    others = rw.Catalog({"item": [f"other{k}" for k in range(160)]}, id="item")

    with pytest.raises(rw.DTypeError, match="strings"):
        fit(tiny, catalog=numbers)
    with pytest.raises(rw.ConfigError, match="none of them with an item of the catalogue"):
        fit(tiny, catalog=others)


def test_a_window_needs_times(tiny):
    log = rw.InteractionLog(
        {name: tiny.events[name] for name in ("user", "item")}, user="user", item="item"
    )

    with pytest.raises(rw.ConfigError, match="no times"):
        fit(tiny, {"graph": {"window_seconds": 100}}, train=log)


def test_unknown_settings_are_refused():
    with pytest.raises(TypeError, match="epochs"):
        rw.Recommender(epochs=3)
    with pytest.raises(rw.ConfigError, match="Did you mean 'hgnn__epochs'"):
        rw.Recommender().set_params(hgnn__epoch=3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, rw.ConfigError, "user ids, or histories"),
        ({"user_ids": "u0"}, rw.DTypeError, r"Write \[id\]"),
        ({"user_ids": [1, 2]}, rw.DTypeError, "strings"),
        ({"user_ids": ["u0", None]}, rw.ConfigError, "missing ids"),
        ({"user_ids": [["u0"]]}, rw.ShapeError, "one dimension"),
        ({"user_ids": ["u0"], "k": 0}, rw.ConfigError, "k: got 0"),
        ({"user_ids": ["u0"], "k": -3}, rw.ConfigError, "k: got -3"),
        ({"user_ids": ["u0"], "k": 2.5}, rw.ConfigError, "k: got 2.5"),
        ({"user_ids": ["u0"], "types": ["sogn"]}, rw.ConfigError, "Did you mean 'song'"),
        ({"user_ids": ["u0"], "types": []}, rw.ConfigError, "at least one type"),
        ({"user_ids": ["u0"], "items": ["i1", "zz"]}, rw.ConfigError, "unknown ids such as 'zz'"),
        ({"user_ids": ["u0"], "users": {"user": ["u0"]}}, rw.ConfigError, "fitted without"),
        ({"histories": [["i1", "zz"]]}, rw.ConfigError, "unknown ids such as 'zz'"),
        ({"histories": [[1, 2]]}, rw.DTypeError, "strings"),
        ({"histories": "i1"}, rw.DTypeError, "a list of item ids per user"),
        ({"histories": [["i1"]], "user_ids": ["a", "b"]}, rw.ShapeError, "one per user"),
        ({"histories": {"a": ["i1"]}, "user_ids": ["a"]}, rw.ConfigError, "name their users"),
    ],
)
def test_bad_requests_are_refused(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.recommend(**arguments)


def catalog_of(kind="song"):
    return rw.Catalog({"item": ["n0"], "kind": [kind]}, id="item", type="kind")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"new_items": {"item": ["n0"]}}, rw.DTypeError, "a Catalog"),
        ({"new_items": catalog_of("film")}, rw.ConfigError, "book, game, song"),
        ({"features": np.ones((1, 5))}, rw.ShapeError, "4 columns, as in training"),
        ({"features": rw.text.HashEncoder(4)}, rw.ConfigError, "no column"),
        ({"features": None}, rw.ConfigError, "an encoder"),
        ({"edges": (["n0"], ["i0", "i1"])}, rw.ShapeError, "equal lengths"),
        ({"edges": (["n1"], ["i0"])}, rw.ConfigError, "unknown ids such as 'n1'"),
        ({"edges": (["n0"], ["zz"])}, rw.ConfigError, "unknown ids such as 'zz'"),
        ({"edges": 3}, rw.DTypeError, "a pair"),
        ({"space": "text"}, rw.ConfigError, "'towers' or 'hgnn'"),
    ],
)
def test_bad_new_items_are_refused(model, arguments, error, message):
    given = {"new_items": catalog_of(), "features": np.ones((1, 4))}

    with pytest.raises(error, match=message):
        model.embed_items(**{**given, **arguments})


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.recommend(["u0"]),
        lambda m: m.score_users(["u0"]),
        lambda m: m.similar_items(["i0"]),
        lambda m: m.embed_items(catalog_of()),
        lambda m: m.save("nowhere"),
        lambda m: m.refit_towers(None),
        lambda m: m.item_vectors_,
        lambda m: m.graph_,
    ],
)
def test_asking_before_fitting_is_refused(ask):
    with pytest.raises(rw.NotFittedError, match="Call fit first"):
        ask(rw.Recommender())


def test_errors_are_the_built_in_ones_too():
    for error, base in (
        (rw.ShapeError, ValueError),
        (rw.IndexError, IndexError),
        (rw.DTypeError, TypeError),
        (rw.DeviceError, RuntimeError),
        (rw.GraphError, ValueError),
        (rw.CudaError, RuntimeError),
        (rw.NotCompiledError, NotImplementedError),
        (rw.IoError, OSError),
        (rw.ConfigError, ValueError),
        (rw.NotFittedError, AttributeError),
    ):
        assert issubclass(error, base)
        assert issubclass(error, rw.Error)
