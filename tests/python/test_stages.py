import numpy as np
import pytest
from conftest import N_ITEMS, SMALL, TASTES

import relweave as rw


@pytest.fixture(scope="module")
def graph(tiny):
    return rw.CoInteractionGraph.build(tiny.log(), tiny.catalog())


def test_links_join_items_of_one_taste(graph):
    lower, upper = graph.edges()

    same = np.array(
        [int(a[1:]) % TASTES == int(b[1:]) % TASTES for a, b in zip(lower, upper, strict=True)]
    )
    assert same[graph.counts >= 4].mean() > 0.9
    assert (graph.lower < graph.upper).all()


def test_counts_are_those_of_a_matrix_product(tiny):
    log, catalog = tiny.log(), tiny.catalog()
    graph = rw.CoInteractionGraph.build(log, catalog, {"top_neighbors": 0, "max_history": 1000})
    touched = np.zeros((len(log.users), len(catalog)), dtype=np.int64)
    touched[log.user_codes, catalog.find(log.items)[log.item_codes]] = 1

    shared = np.triu(touched.T @ touched, k=1)

    dense = np.zeros_like(shared)
    dense[graph.lower, graph.upper] = graph.counts
    np.testing.assert_array_equal(dense, shared)


def test_the_graph_reports_what_became_of_events_and_pairs(tiny, graph):
    report = graph.report()

    assert report.events == len(tiny.log())
    assert report.events_dropped == 0
    assert report.links_found == report.links + report.below_min_count + report.beyond_top
    assert (report.links, report.items) == (len(graph), N_ITEMS)
    assert report.largest_degree == graph.degrees().max()
    assert f"links found        {report.links_found:,}" in str(report)
    assert report.to_dict()["pairs"] == report.pairs


def test_the_graph_counts_events_of_unknown_items(tiny):
    known = rw.Catalog({"item": tiny.items["item"][:100]}, id="item")

    report = rw.CoInteractionGraph.build(tiny.log(), known).report()

    assert report.events_dropped > 0
    assert report.events + report.events_dropped == len(tiny.log())


def test_the_graph_counts_links_between_types(graph):
    relations = graph.relation_counts()

    assert graph.degrees().sum() == 2 * len(graph)
    assert np.triu(relations).sum() == len(graph)
    assert (relations == relations.T).all()
    assert "CoInteractionGraph(160 items" in repr(graph)


def test_the_hgnn_alone(tiny, graph):
    features = tiny.vectors[tiny.catalog().rows]
    hgnn = rw.HGNN(config=SMALL["hgnn"], seed=3).fit(graph, features, progress=False)

    vectors = hgnn.vectors_

    assert vectors.shape == (N_ITEMS, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len(hgnn.history_.epochs) == 8
    assert "epoch" in hgnn.history_._repr_html_()
    assert all(isinstance(tensor, np.ndarray) for tensor in hgnn.parameters().values())


def test_stages_joined_by_hand_are_the_recommender(tiny, graph, model):
    catalog = tiny.catalog()
    features = tiny.vectors[catalog.rows]
    hgnn = rw.HGNN(config=SMALL["hgnn"], seed=3).fit(graph, features, progress=False)
    towers = rw.TwoTower(config=SMALL["towers"], seed=3)

    towers.fit(tiny.log(), catalog, features, hgnn.vectors_, progress=False)

    np.testing.assert_array_equal(hgnn.vectors_, model.general_vectors_)
    np.testing.assert_array_equal(towers.item_vectors_, model.item_vectors_)
    users = towers.user_vectors(tiny.log(), ["u0", "u1"])
    scores = users @ towers.item_vectors_.T + towers.item_bias_
    np.testing.assert_allclose(scores, model.score_users(["u0", "u1"]), atol=1e-5)


def test_cold_items_by_hand_are_those_of_the_recommender(tiny, graph):
    catalog = tiny.catalog()
    features = tiny.vectors[catalog.rows]
    settings = {**SMALL, "towers": {**SMALL["towers"], "cold_items": 0.3}}
    hgnn = rw.HGNN(config=SMALL["hgnn"], seed=3).fit(graph, features, progress=False)
    without_links = hgnn.embed_new(catalog, tiny.vectors)[catalog.rows]
    towers = rw.TwoTower(config=settings["towers"], seed=3)

    towers.fit(
        tiny.log(), catalog, features, hgnn.vectors_, progress=False, cold_vectors=without_links
    )

    model = rw.Recommender(seed=3, **settings)
    model.fit(tiny.log(), catalog, tiny.vectors, progress=False)
    np.testing.assert_array_equal(towers.item_vectors_, model.item_vectors_)
    with pytest.raises(rw.ShapeError, match="cold_vectors"):
        towers.fit(tiny.log(), catalog, features, hgnn.vectors_, progress=False)


def test_new_items_through_the_hgnn(tiny, graph, model):
    features = tiny.vectors[tiny.catalog().rows]
    hgnn = rw.HGNN(config=SMALL["hgnn"], seed=3).fit(graph, features, progress=False)
    new = rw.Catalog({"item": ["a", "b"], "kind": ["song", "book"]}, id="item", type="kind")
    edges = (["a"], ["i0"])

    vectors = hgnn.embed_new(new, np.eye(TASTES)[:2], edges)

    expected = model.embed_items(new, np.eye(TASTES)[:2], edges, space="hgnn")
    np.testing.assert_array_equal(vectors, expected)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda g: rw.HGNN().fit(g, np.ones((3, 4))), rw.ShapeError, r"\(160, d\)"),
        (lambda g: rw.HGNN().vectors_, rw.NotFittedError, "Call fit first"),
        (lambda g: rw.TwoTower().user_vectors([[]]), rw.NotFittedError, "Call fit first"),
        (
            lambda g: rw.HGNN(config={"epochs": -1}).fit(g, np.ones((160, 4))),
            rw.ConfigError,
            "HGNNConfig: epochs",
        ),
    ],
)
def test_bad_use_is_refused(graph, ask, error, message):
    with pytest.raises(error, match=message):
        ask(graph)


def test_show_config_tells_version_and_defaults():
    shown = rw.show_config()

    assert shown["version"] == rw.__version__
    assert shown["defaults"]["towers"]["layers"] == list(rw.TwoTowerConfig().layers)
