import numpy as np
import pandas as pd
import pytest
from conftest import N_ITEMS, SMALL, TASTES
from sklearn.base import clone

import relweave as rw


def taste(ids):
    return np.vectorize(lambda id: int(id[1:]) % TASTES)(ids)


def seen_by(tiny, user):
    return {i for u, i in zip(tiny.events["user"], tiny.events["item"], strict=True) if u == user}


def test_recommendations_are_unseen_items_of_the_users_taste(model, tiny):
    users = model.user_ids_

    ids, scores = model.recommend(users, k=5)

    assert ids.shape == scores.shape == (len(users), 5)
    assert scores.dtype == np.float32
    assert (np.diff(scores) <= 0).all()
    assert (taste(ids) == taste(users)[:, None]).mean() > 0.7  # chance: 0.25
    for user, row in zip(users, ids, strict=True):
        assert not seen_by(tiny, user) & set(row)


def test_seen_items_come_when_asked_for(model, tiny):
    ids, _ = model.recommend(["u0"], k=N_ITEMS, exclude_seen=False)

    assert set(ids[0]) == set(tiny.items["item"])


def test_places_beyond_the_catalogue_are_empty(model, tiny):
    ids, scores = model.recommend(["u0"], k=N_ITEMS + 40)

    found = N_ITEMS - len(seen_by(tiny, "u0"))
    assert ids[0, found:].tolist() == [None] * (N_ITEMS + 40 - found)
    assert None not in ids[0, :found]
    assert np.isneginf(scores[0, found:]).all()


def test_types_and_allowed_items_filter(model):
    songs, _ = model.recommend(["u0", "u1"], k=4, types=["song"])
    both, _ = model.recommend(["u0"], k=4, types=["song", "book"])
    chosen, _ = model.recommend(["u0"], k=4, items=["i3", "i5", "i3"], exclude_seen=False)
    none, scores = model.recommend(["u0"], k=4, items=[])

    assert all(int(id[1:]) % 3 == 0 for id in songs.ravel())
    assert all(int(id[1:]) % 3 in (0, 1) for id in both.ravel())
    assert set(chosen[0]) == {"i3", "i5", None}
    assert none.tolist() == [[None] * 4]
    assert np.isneginf(scores).all()


def test_unknown_users_are_cold_users(model):
    ids, scores = model.recommend(["nobody", "u0", "stranger"], k=5)
    empty_ids, empty_scores = model.recommend(histories=[[]], k=5)
    known_ids, _ = model.recommend(["u0"], k=5)

    assert ids[0].tolist() == ids[2].tolist() == empty_ids[0].tolist()
    np.testing.assert_allclose(scores[0], empty_scores[0], rtol=1e-5)
    assert ids[1].tolist() == known_ids[0].tolist()


def test_histories_given_at_call_time(model):
    history = ["i0", "i4", "i8", "i12"]  # taste 0

    as_list, _ = model.recommend(histories=[history], k=5)
    as_mapping, _ = model.recommend(histories={"someone": history}, k=5)
    log = rw.InteractionLog(
        {"u": ["x"] * 4, "i": history[::-1], "t": [4, 3, 2, 1]}, user="u", item="i", time="t"
    )
    as_log, _ = model.recommend(histories=log, k=5)
    of_others, _ = model.recommend(["y", "x"], histories=log, k=5)

    assert (taste(as_list) == 0).mean() >= 0.8
    assert not set(as_list[0]) & set(history)
    assert as_list.tolist() == as_mapping.tolist() == as_log.tolist()
    assert of_others[1].tolist() == as_list[0].tolist()
    assert of_others[0].tolist() == model.recommend(histories=[[]], k=5)[0][0].tolist()


def test_the_history_of_training_given_again_changes_nothing(model, tiny):
    ids, scores = model.recommend(["u3", "u4"], k=5)
    again, scores_again = model.recommend(["u3", "u4"], histories=tiny.log(), k=5)

    assert ids.tolist() == again.tolist()
    np.testing.assert_array_equal(scores, scores_again)


def test_scores_agree_with_the_ranking(model):
    scores = model.score_users(["u0", "nobody"])

    ids, best = model.recommend(["u0", "nobody"], k=3, exclude_seen=False)

    order = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    assert model.item_ids_[order].tolist() == ids.tolist()
    np.testing.assert_array_equal(np.take_along_axis(scores, order, 1), best)


@pytest.mark.parametrize("together", [1, 2, 7, 100])
def test_an_answer_does_not_depend_on_who_else_is_in_the_call(model, together):
    users = [f"u{k}" for k in range(110)] + ["nobody", "somebody"]
    ids, scores = model.recommend(users, k=10)
    every = model.score_users(users)

    for start in range(0, len(users), together):
        part = slice(start, start + together)
        some_ids, some_scores = model.recommend(users[part], k=10)
        assert some_ids.tolist() == ids[part].tolist()
        np.testing.assert_array_equal(some_scores, scores[part])
        np.testing.assert_array_equal(model.score_users(users[part]), every[part])


def test_similar_items_are_of_the_same_taste(model):
    ids, scores = model.similar_items(["i0", "i1"], k=5)

    assert (taste(ids) == [[0], [1]]).mean() >= 0.8
    assert "i0" not in ids[0]
    assert (np.abs(scores) <= 1 + 1e-5).all()


def test_integer_ids_come_back_as_integers(tiny):
    items = dict(tiny.items, item=np.arange(N_ITEMS) + 1000)
    events = dict(tiny.events, item=np.array([int(i[1:]) + 1000 for i in tiny.events["item"]]))
    model = rw.Recommender(seed=3, **SMALL).fit(
        rw.InteractionLog(events, user="user", item="item", time="time", signal="signal"),
        rw.Catalog(items, id="item", type="kind"),
        features=tiny.vectors,
        progress=False,
    )

    ids, _ = model.recommend(["u0"], k=N_ITEMS + 10)

    assert ids.dtype == np.int64
    assert ids.min() == -1
    assert ids.max() >= 1000


def new_items(tiny, count=4):
    items = {"item": [f"n{k}" for k in range(count)], "kind": ["song"] * count}
    return rw.Catalog(dict(items, title=items["item"]), id="item", type="kind", text="title")


def test_new_items_are_embedded_from_their_text_alone(model, tiny):
    vectors = model.embed_items(new_items(tiny), features=np.eye(TASTES))
    general = model.embed_items(new_items(tiny), features=np.eye(TASTES), space="hgnn")

    nearest = np.argmax(vectors @ model.item_vectors_.T, axis=1)
    assert taste(model.item_ids_[nearest]).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert general.shape == (4, 16)


def test_edges_move_new_items(model, tiny):
    features = np.eye(TASTES)
    alone = model.embed_items(new_items(tiny), features=features, space="hgnn")

    linked = model.embed_items(
        new_items(tiny), features=features, edges=(["n0", "n0"], ["i1", "i5"]), space="hgnn"
    )

    assert np.abs(linked[0] - alone[0]).max() > 1e-3
    np.testing.assert_allclose(linked[1:], alone[1:], atol=1e-6)


def test_rows_of_new_items_follow_their_frame(model):
    order = ["song", "book", "game", "book"]
    items = {"item": ["a", "b", "c", "d"], "kind": order}
    features = np.eye(TASTES)

    together = model.embed_items(rw.Catalog(items, id="item", type="kind"), features=features)

    for row, kind in enumerate(order):
        one = rw.Catalog({"item": ["x"], "kind": [kind]}, id="item", type="kind")
        alone = model.embed_items(one, features=features[row : row + 1])
        np.testing.assert_allclose(together[row], alone[0], atol=1e-6)


def test_added_items_can_be_recommended(tiny):
    model = rw.Recommender(seed=3, **SMALL)
    model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)

    model.add_items(new_items(tiny), features=np.eye(TASTES))

    ids, _ = model.recommend(["u0"], k=N_ITEMS + 4, exclude_seen=False)
    assert {"n0", "n1", "n2", "n3"} <= set(ids[0])
    assert model.score_users(["u0", "nobody"]).shape == (2, N_ITEMS + 4)
    seen, _ = model.recommend(histories=[["n0"]], k=N_ITEMS + 4)
    assert "n0" not in seen[0]
    with pytest.raises(rw.ConfigError, match="n0"):
        model.add_items(new_items(tiny), features=np.eye(TASTES))
    assert len(model.item_ids_) == N_ITEMS + 4


@pytest.mark.parametrize("refit", ["refit_graph", "refit_towers"])
def test_refits_forget_added_items(tiny, refit):
    model = rw.Recommender(seed=3, **SMALL)
    model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)
    model.add_items(new_items(tiny), features=np.eye(TASTES))

    getattr(model, refit)(tiny.log(), **({} if refit == "refit_graph" else {"progress": False}))

    assert len(model.item_ids_) == len(model.item_types_) == N_ITEMS
    assert model.score_users(["u0"]).shape == (1, N_ITEMS)
    model.add_items(new_items(tiny), features=np.eye(TASTES))
    assert len(model.item_ids_) == N_ITEMS + 4


def test_an_encoder_reads_the_texts_and_is_remembered(tiny):
    encoder = rw.text.HashEncoder(32)
    model = rw.Recommender(seed=3, **SMALL)

    model.fit(tiny.log(), tiny.catalog(), features=encoder, progress=False)

    assert model.embed_items(new_items(tiny)).shape == (4, 16)
    with pytest.raises(rw.ConfigError, match=r"hash/3-4-5/seed1@32.*hash/3-4-5/seed0@32"):
        model.embed_items(new_items(tiny), features=rw.text.HashEncoder(32, seed=1))


def test_metadata_and_user_columns_are_features(tiny):
    users = pd.DataFrame(
        {
            "user": [f"u{k}" for k in range(10, 130)],
            "age": np.arange(120) % 50,
            "land": ["de", "fr"] * 60,
        }
    )
    catalog = tiny.catalog(metadata=["year", "language"])
    model = rw.Recommender(seed=3, **SMALL)

    model.fit(tiny.log(), catalog, features=tiny.vectors, users=users, progress=False)

    assert model.fit_report_.users_without_features == 10
    assert set(model.user_ids_) == {f"u{k}" for k in range(130)}
    cold, _ = model.recommend(["new"], k=5)
    about = {"user": ["new", "u20"], "age": [49, 0], "land": ["fr", "fr"]}
    _, told = model.recommend(["new", "u20"], k=5, users=about)
    _, stored = model.recommend(["new", "u20"], k=5)
    assert cold.shape == (1, 5)
    assert (told != stored).any(axis=1).all()
    with pytest.raises(rw.ConfigError, match="metadata"):
        model.embed_items(new_items(tiny), features=np.eye(TASTES))


def test_unknown_items_are_dropped_and_counted(tiny):
    items = {name: values[:150] for name, values in tiny.items.items()}
    items["kind"] = np.where(items["kind"] == "game", "song", items["kind"])
    items["kind"][7] = "game"  # a type that gets no event
    log = tiny.log()
    log = log.select(log.items[log.item_codes] != "i7")
    model = rw.Recommender(seed=3, **SMALL)

    model.fit(
        log, rw.Catalog(items, id="item", type="kind"), features=tiny.vectors[:150], progress=False
    )

    report = model.fit_report_
    assert report.unknown_items == 10
    assert report.events + report.events_dropped == len(log)
    assert report.items_without_events == 1
    assert report.types_without_events == ("game",)
    assert "game" in str(report)
    assert "game" in report._repr_html_()


def test_one_item_type_and_a_log_without_times(tiny):
    log = rw.InteractionLog(
        {name: tiny.events[name] for name in ("user", "item")}, user="user", item="item"
    )
    catalog = rw.Catalog({"item": tiny.items["item"]}, id="item")

    model = rw.Recommender(seed=3, **SMALL).fit(log, catalog, tiny.vectors, progress=False)

    ids, _ = model.recommend(["u0"], k=5)
    assert (taste(ids) == 0).mean() >= 0.6


def test_towers_alone(tiny):
    model = rw.Recommender(seed=3, use_hgnn=False, **SMALL)

    model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)

    assert len(model.graph_) == 0
    assert model.general_vectors_.shape == (N_ITEMS, TASTES)
    with pytest.raises(rw.ConfigError, match="HGNN"):
        model.refit_graph(tiny.log())


def test_refits(tiny):
    early, late = tiny.log().split_by_time(test_fraction=0.3)
    model = rw.Recommender(seed=3, **SMALL)
    model.fit(early, tiny.catalog(), features=tiny.vectors, progress=False)
    general, links = model.general_vectors_, len(model.graph_)

    model.refit_towers(late, progress=False)
    users_after_towers = model.user_ids_
    general_after_towers = model.general_vectors_
    model.refit_graph(tiny.log())

    assert users_after_towers.tolist() == late.users.tolist()
    np.testing.assert_array_equal(general, general_after_towers)
    assert len(model.graph_) > links
    assert np.abs(model.general_vectors_ - general).max() > 1e-3
    assert model.recommend(late.users[:3], k=5)[0].shape == (3, 5)


def test_settings_follow_scikit_learn():
    model = rw.Recommender(seed=1, hgnn={"epochs": 2}, towers=rw.TwoTowerConfig(epochs=3))

    params = model.get_params()
    copy = clone(model).set_params(hgnn__epochs=7, seed=5)

    assert params["hgnn__epochs"] == 2
    assert params["towers__epochs"] == 3
    assert params["graph__top_neighbors"] == rw.GraphConfig().top_neighbors
    assert model.get_params(deep=False)["hgnn"] == {"epochs": 2}
    assert copy.get_params()["hgnn__epochs"] == 7
    assert copy.seed == 5
    assert model.get_params()["hgnn__epochs"] == 2
    assert repr(rw.Recommender(seed=4)) == "Recommender(seed=4)"


def test_fitted_attributes_and_representations(model):
    assert model.item_vectors_.shape == (N_ITEMS, 16)
    assert model.general_vectors_.shape == (N_ITEMS, 16)
    assert model.item_ids_.shape == model.item_types_.shape == (N_ITEMS,)
    assert model.type_names_ == ("book", "game", "song")
    assert len(model.history_["hgnn"].epochs) == 8
    assert len(model.history_["towers"].epochs) == 15
    assert len(model.graph_) == model.fit_report_.links
    assert "events" in model._repr_html_()
    assert "not fitted" in rw.Recommender()._repr_html_()
    assert not hasattr(rw.Recommender(), "item_vectors_")
