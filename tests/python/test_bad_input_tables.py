"""Logs, catalogues, features and user frames that are wrong, at every door that takes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import N_ITEMS

import relweave as rw

QUICK = {"hgnn": {"layers": (8, 8), "epochs": 1}, "towers": {"layers": (8,), "epochs": 1}}


@pytest.fixture(scope="module")
def fitted(tiny):
    """A model that refused refits must leave as it is."""
    return rw.Recommender(seed=3, **QUICK).fit(
        tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False
    )


def towers(tiny, log, catalog):
    x = tiny.vectors[: len(catalog)]
    return rw.TwoTower(config=QUICK["towers"]).fit(log, catalog, x, x, progress=False)


LOG_DOORS = {
    "Recommender.fit": lambda t, m, log, c: rw.Recommender(**QUICK).fit(
        log, c, t.vectors[: len(c)], progress=False
    ),
    "Recommender.refit_towers": lambda t, m, log, c: m.refit_towers(log, progress=False),
    "Recommender.refit_graph": lambda t, m, log, c: m.refit_graph(log),
    "CoInteractionGraph.build": lambda t, m, log, c: rw.CoInteractionGraph.build(log, c),
    "TwoTower.fit": lambda t, m, log, c: towers(t, log, c),
    "Popularity.fit": lambda t, m, log, c: rw.baselines.Popularity().fit(log, c),
    "EASE.fit": lambda t, m, log, c: rw.baselines.EASE().fit(log, c),
    "Trend.fit": lambda t, m, log, c: rw.baselines.Trend().fit(log, c),
}
BAD_LOGS = {
    "no log": (lambda t: t.events, rw.DTypeError, "an InteractionLog"),
    "None": (lambda t: None, rw.DTypeError, "an InteractionLog"),
    "empty": (lambda t: t.log().select(np.empty(0, int)), rw.ConfigError, "at least one event"),
    "other items": (
        lambda t: log_of(user=["u0"], item=["other"], time=[1.6e9]),
        rw.ConfigError,
        "none of them with an item of the catalogue",
    ),
    "other kind": (
        lambda t: log_of(user=["u0"], item=[7], time=[1.6e9]),
        rw.DTypeError,
        "strings, like the ids of the catalogue",
    ),
}


def log_of(**columns):
    names = {name: name for name in ("time", "signal") if name in columns}
    return rw.InteractionLog(columns, user="user", item="item", **names)


@pytest.mark.parametrize("door", LOG_DOORS)
@pytest.mark.parametrize("kind", BAD_LOGS)
def test_bad_logs_are_refused_at_every_door(tiny, fitted, door, kind):
    make, error, message = BAD_LOGS[kind]
    before = fitted.score_users(["u0", "nobody"])

    with pytest.raises(error, match=message) as caught:
        LOG_DOORS[door](tiny, fitted, make(tiny), tiny.catalog())

    name = "ItemKNN.fit" if door == "Trend.fit" else door
    assert str(caught.value).startswith(f"{name}: train: got ")
    np.testing.assert_array_equal(fitted.score_users(["u0", "nobody"]), before)


@pytest.mark.parametrize("door", [d for d in LOG_DOORS if "refit" not in d])
def test_anything_but_a_catalogue_is_refused_at_every_door(tiny, fitted, door):
    class Items(dict):
        index = tiny.catalog().index

    with pytest.raises(rw.DTypeError, match="got Items, expected a Catalog"):
        LOG_DOORS[door](tiny, fitted, tiny.log(), Items())


def test_a_log_without_a_strong_event_trains_no_towers(tiny, fitted):
    weak = log_of(**{**tiny.events, "signal": ["weak"] * len(tiny.events["user"])})

    for door in ("Recommender.fit", "Recommender.refit_towers", "TwoTower.fit"):
        with pytest.raises(rw.ConfigError, match="Mark what counts as a success as strong"):
            LOG_DOORS[door](tiny, fitted, weak, tiny.catalog())


def test_a_log_without_links_trains_no_hgnn(tiny, fitted):
    lone = log_of(user=["a", "b"], item=["i1", "i2"], time=[1e9, 1e9])

    with pytest.raises(rw.GraphError, match="use_hgnn = false"):
        LOG_DOORS["Recommender.fit"](tiny, fitted, lone, tiny.catalog())
    assert len(rw.CoInteractionGraph.build(lone, tiny.catalog())) == 0


def test_users_with_one_event_each_train_towers_and_no_hgnn(tiny):
    lone = log_of(user=[f"u{k}" for k in range(20)], item=[f"i{k}" for k in range(20)])
    model = rw.Recommender(seed=3, use_hgnn=False, **QUICK)

    model.fit(lone, tiny.catalog(), tiny.vectors, progress=False)

    assert rw.CoInteractionGraph.build(lone, tiny.catalog()).report().single_item_users == 20
    assert np.isfinite(model.score_users(["u0", "nobody"])).all()
    assert model.recommend(["u0"], k=N_ITEMS)[0][0].tolist().count("i0") == 0
    with pytest.raises(rw.GraphError, match="use_hgnn = false"):
        rw.Recommender(**QUICK).fit(lone, tiny.catalog(), tiny.vectors, progress=False)


def test_a_user_with_one_event_among_others_is_answered(tiny):
    one = {"user": "lone", "item": "i7", "time": 1_610_000_000, "signal": "strong"}
    log = log_of(**{name: [*values, one[name]] for name, values in tiny.events.items()})
    model = rw.Recommender(seed=3, **QUICK)

    model.fit(log, tiny.catalog(), tiny.vectors, progress=False)

    ids, scores = model.recommend(["lone"], k=N_ITEMS)
    assert set(ids[0]) - {None} == set(tiny.items["item"]) - {"i7"}
    assert np.isfinite(scores[0, : N_ITEMS - 1]).all()


def test_a_refit_without_the_times_of_training_is_refused(tiny, fitted):
    """Row numbers would count as seconds: as recent events, or as neighbours in time."""
    rows = log_of(user=tiny.events["user"], item=tiny.events["item"])
    windowed = rw.Recommender(seed=3, graph={"window_seconds": 10**7}, **QUICK)
    windowed.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)

    with pytest.raises(rw.ConfigError, match="the model uses trend"):
        fitted.refit_towers(rows, progress=False)
    with pytest.raises(rw.ConfigError, match="the model uses window_seconds"):
        windowed.refit_graph(rows)


def test_events_of_unknown_items_are_counted_at_every_door(tiny):
    events = {name: list(values) for name, values in tiny.events.items()}
    events["item"][:100] = ["gone"] * 100
    log, catalog = log_of(**events), tiny.catalog()
    model = rw.Recommender(seed=3, **QUICK)

    model.fit(log, catalog, features=tiny.vectors, progress=False)
    fit_report = model.fit_report_
    model.refit_towers(log, progress=False)

    for report in (fit_report, model.fit_report_):
        assert (report.events, report.events_dropped, report.unknown_items) == (1700, 100, 1)
    assert rw.CoInteractionGraph.build(log, catalog).report().events_dropped == 100
    later = log_of(user=["new", "new"], item=["i1", "gone"], time=[1.7e9, 1.7e9])
    assert rw.evaluate(model, later).unknown_items == 1


@pytest.mark.parametrize("frame", [dict, pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("column", ["user", "item", "time", "signal"])
def test_missing_cells_of_a_log_are_refused_in_any_frame(frame, column):
    columns = {"user": ["a", "b"], "item": ["x", "y"], "time": ["2020-01-01"] * 2}
    columns["signal"] = ["strong", "weak"]
    columns[column] = [columns[column][0], None]

    with pytest.raises(rw.ConfigError, match=f"InteractionLog: {column}: got 1 missing"):
        rw.InteractionLog(frame(columns), **{name: name for name in columns})


def test_a_frame_with_a_column_twice_is_refused():
    frame = pd.DataFrame([["a", "b", "c"]], columns=["user", "item", "user"])

    with pytest.raises(rw.ConfigError, match="a name for each column"):
        rw.InteractionLog(frame, user="user", item="item")


@pytest.mark.parametrize("column", ["user", "item", "time", "signal"])
def test_columns_that_a_log_lacks_are_named(column):
    columns = {"user": ["a"], "item": ["x"], "time": [1], "signal": ["weak"]}
    names = {**{name: name for name in columns}, column: f"{column}s"}

    with pytest.raises(rw.ConfigError, match=rf"{column}: got '{column}s'.*Did you mean"):
        rw.InteractionLog(columns, **names)


@pytest.mark.parametrize("role", ["id", "type", "text", "metadata"])
def test_columns_that_a_catalogue_lacks_are_named(role):
    names = {"id": "id", "type": "type", "text": "text", "metadata": ["metadata"]}
    columns = {name: ["a"] for name in names}
    given = {**names, role: [f"{role}s"] if role == "metadata" else f"{role}s"}

    with pytest.raises(rw.ConfigError, match=rf"{role}: got '{role}s'.*Did you mean '{role}'"):
        rw.Catalog(columns, **given)


def test_types_of_one_item_and_types_without_events_train_and_answer(tiny):
    kinds = np.array(["one", "unseen", *["many"] * (N_ITEMS - 2)])
    catalog = rw.Catalog({"item": tiny.items["item"], "kind": kinds}, id="item", type="kind")
    log = tiny.log().select(tiny.log().items[tiny.log().item_codes] != "i1")
    model = rw.Recommender(seed=3, **QUICK)

    model.fit(log, catalog, features=tiny.vectors, progress=False)

    assert model.fit_report_.types_without_events == ("unseen",)
    for name, item in (("one", "i0"), ("unseen", "i1")):
        ids, scores = model.recommend(["u1"], k=3, types=[name], exclude_seen=False)
        assert ids.tolist() == [[item, None, None]]
        assert np.isfinite(scores[0, 0])
    assert np.isfinite(model.score_users(["u0", "nobody"])).all()
    assert np.isfinite(model.item_vectors_).all()


def test_a_catalogue_of_one_item_has_towers_and_no_graph(tiny):
    catalog = rw.Catalog({"item": ["i0"]}, id="item")
    model = rw.Recommender(seed=3, use_hgnn=False, **QUICK)

    model.fit(tiny.log(), catalog, features=tiny.vectors[:1], progress=False)

    ids, scores = model.recommend(["nobody", "u0"], k=2)
    assert ids[0].tolist() == ["i0", None]
    assert np.isfinite(scores[0, 0])
    with pytest.raises(rw.GraphError, match="no link"):
        rw.Recommender(**QUICK).fit(tiny.log(), catalog, tiny.vectors[:1], progress=False)


def test_users_without_history_are_answered(model):
    every = model.item_ids_

    cold, scores = model.recommend(["nobody"], k=5)
    empty, _ = model.recommend(histories=[[]], k=5)
    full, none = model.recommend(histories=[every], k=5)

    assert cold.tolist() == empty.tolist()
    assert np.isfinite(scores).all()
    assert full.tolist() == [[None] * 5]
    assert np.isneginf(none).all()
    assert model.recommend([], k=5)[0].shape == model.recommend(histories=[], k=5)[0].shape


def damaged(vectors, value):
    copy = vectors.copy()
    copy[3, 1] = value
    return copy


FEATURES = {
    "NaN": (lambda x: damaged(x, np.nan), rw.ConfigError, "nan in row 3, column 1"),
    "infinity": (lambda x: damaged(x, -np.inf), rw.ConfigError, "-inf in row 3"),
    "beyond float32": (
        lambda x: damaged(x.astype(np.float64), 1e300),
        rw.ConfigError,
        "inf in row 3",
    ),
    "masked": (
        lambda x: np.ma.masked_array(x, mask=np.arange(x.size).reshape(x.shape) == 13),
        rw.ConfigError,
        "row 3",
    ),
    "a row less": (lambda x: x[1:], rw.ShapeError, r"\(159, 4\)"),
    "one dimension": (lambda x: x[:, 0], rw.ShapeError, r"\(160,\)"),
    "three dimensions": (lambda x: x[None], rw.ShapeError, r"\(1, 160, 4\)"),
    "no column": (lambda x: x[:, :0], rw.ShapeError, r"\(160, 0\)"),
    "text": (lambda x: x.astype(str), rw.DTypeError, "dtype <U"),
    "complex": (lambda x: x * 1j, rw.DTypeError, "complex"),
    "ragged": (lambda x: [[1.0], [1.0, 2.0]], rw.DTypeError, "list"),
}
FEATURE_DOORS = {
    "Recommender.fit: features": lambda t, x: rw.Recommender(**QUICK).fit(
        t.log(), t.catalog(), x, progress=False
    ),
    "HGNN.fit: features": lambda t, x: rw.HGNN(config=QUICK["hgnn"]).fit(
        rw.CoInteractionGraph.build(t.log(), t.catalog()), x, progress=False
    ),
    "TwoTower.fit: features": lambda t, x: rw.TwoTower(config=QUICK["towers"]).fit(
        t.log(), t.catalog(), x, t.vectors, progress=False
    ),
    "TwoTower.fit: vectors": lambda t, x: rw.TwoTower(config=QUICK["towers"]).fit(
        t.log(), t.catalog(), t.vectors, x, progress=False
    ),
    "TextKNN.fit: features": lambda t, x: rw.baselines.TextKNN().fit(t.log(), t.catalog(), x),
    "PrecomputedVectors: vectors": lambda t, x: rw.text.PrecomputedVectors(t.items["item"], x),
}


@pytest.mark.parametrize("door", FEATURE_DOORS)
@pytest.mark.parametrize("kind", FEATURES)
def test_bad_features_are_refused_at_every_door(tiny, door, kind):
    make, error, message = FEATURES[kind]

    with pytest.raises(error, match=message) as caught:
        FEATURE_DOORS[door](tiny, make(tiny.vectors))

    assert str(caught.value).startswith(f"{door}: got ")


@pytest.mark.parametrize(
    ("users", "error", "message"),
    [
        ({"id": ["u1"], "age": [3]}, rw.ConfigError, "users: got 'user'"),
        ({"user": ["u1"]}, rw.ConfigError, "at least one column"),
        ({"user": ["u1", None], "age": [3, 4]}, rw.ConfigError, "1 missing ids"),
        ({"user": ["u1", "u1"], "age": [3, 4]}, rw.ConfigError, "duplicate ids such as 'u1'"),
        ({"user": [1], "age": [3]}, rw.DTypeError, "strings, like the ids of the log"),
        ({"user": ["u1"], "age": [np.inf]}, rw.ConfigError, "age: got infinity"),
        ({"user": ["u1"], "age": [1e300]}, rw.ConfigError, "age: got 1e"),
        ({"user": ["u1"], "age": [np.datetime64("2020")]}, rw.ConfigError, "Derive a number"),
        ({"user": ["u1"], "age": [3, 4]}, rw.ShapeError, "equal length"),
        (["u1"], rw.DTypeError, "a frame"),
    ],
)
def test_bad_user_frames_are_refused_by_fits(tiny, users, error, message):
    with pytest.raises(error, match=message):
        rw.Recommender(**QUICK).fit(
            tiny.log(), tiny.catalog(), tiny.vectors, users=users, progress=False
        )
    with pytest.raises(error, match=message):
        rw.TwoTower(config=QUICK["towers"]).fit(
            tiny.log(), tiny.catalog(), tiny.vectors, tiny.vectors, users=users, progress=False
        )


def test_user_frames_after_the_fit_need_the_columns_of_training(tiny):
    users = {"user": ["u1", "u2"], "age": [3.0, np.nan]}
    model = rw.Recommender(seed=3, **QUICK)
    model.fit(tiny.log(), tiny.catalog(), tiny.vectors, users=users, progress=False)

    assert model.fit_report_.users_without_features == 118
    assert np.isfinite(model.score_users(["u0", "u2", "nobody"])).all()
    for later, error, message in (
        ({"user": ["u1"], "height": [3]}, rw.ConfigError, "'age'"),
        ({"user": ["u1"], "age": ["old"]}, rw.ConfigError, "numbers, as in training"),
        ({"user": ["u1"], "age": [np.inf]}, rw.ConfigError, "infinity"),
        ({"user": [1], "age": [3]}, rw.DTypeError, "strings"),
    ):
        with pytest.raises(error, match=message):
            model.recommend(["u1"], users=later)
        with pytest.raises(error, match=message):
            model.refit_towers(tiny.log(), users=later, progress=False)
    with pytest.raises(rw.ConfigError, match="the same as in fit: a frame"):
        model.refit_towers(tiny.log(), progress=False)
