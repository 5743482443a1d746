"""The baselines reach what the peers' implementations reach on X-Wines (bench/peers/README.md)."""

import numpy as np
import pytest
from conftest import TASTES

import relweave as rw

# warm users: HR@10, NDCG@10, MRR
PUBLISHED = {
    "popularity": (rw.baselines.Popularity(), (0.226, 0.066, 0.083)),
    "90 days": (rw.baselines.Popularity(days=90), (0.251, 0.084, 0.109)),
    "text kNN": (rw.baselines.TextKNN(), (0.094, 0.029, 0.044)),
    "item cosine": (rw.baselines.ItemKNN("cosine"), (0.395, 0.156, 0.182)),
    "BM25": (rw.baselines.ItemKNN("bm25"), (0.389, 0.153, 0.178)),
    "EASE": (rw.baselines.EASE(), (0.398, 0.156, 0.181)),
    "BM25 + trend": (rw.baselines.Trend(), (0.416, 0.169, 0.194)),
}


@pytest.fixture(scope="module")
def xwines():
    data = rw.datasets.load_xwines()
    return data, *data.split(), data.catalog()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_peers_numbers(xwines, name):
    data, train, test, catalog = xwines
    baseline, expected = PUBLISHED[name]

    report = rw.evaluate(baseline.fit(train, catalog, features=data.vectors), test)

    warm = report.slices["warm"]
    assert [warm["hr"], warm["ndcg"], warm["mrr"]] == pytest.approx(expected, abs=1e-3)


def test_recommend_leaves_out_what_was_seen(tiny):
    model = rw.baselines.ItemKNN().fit(tiny.log(), tiny.catalog())

    ids, scores = model.recommend(["u0", "nobody"], k=200)

    seen = {i for u, i in zip(tiny.events["user"], tiny.events["item"], strict=True) if u == "u0"}
    found = {id for id in ids[0] if id is not None}
    assert found == set(tiny.items["item"]) - seen
    assert (np.diff(scores[0][: len(found)]) <= 0).all()
    assert ids.shape == (2, 200)


def test_few_neighbours_keep_the_most_similar(tiny):
    model = rw.baselines.ItemKNN(neighbors=5).fit(tiny.log(), tiny.catalog())

    assert ((model._similar > 0).sum(axis=1) <= 5).all()


def test_an_encoder_serves_too(tiny):
    model = rw.baselines.TextKNN().fit(tiny.log(), tiny.catalog(), rw.text.HashEncoder(16))

    assert model.score_users(["u0"]).shape == (1, 160)
    assert TASTES == 4


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda log, c: rw.baselines.ItemKNN("tf").fit(log, c), rw.ConfigError, "'bm25'"),
        (lambda log, c: rw.baselines.TextKNN().fit(log, c), rw.ConfigError, "an encoder"),
        (lambda log, c: rw.baselines.EASE().score_users(["u0"]), rw.NotFittedError, "not fitted"),
        (lambda log, c: rw.baselines.EASE().fit(c, c), rw.DTypeError, "InteractionLog"),
    ],
)
def test_bad_use_is_refused(tiny, make, error, message):
    with pytest.raises(error, match=message):
        make(tiny.log(), tiny.catalog())


def test_settings_show():
    assert repr(rw.baselines.Popularity(days=3)) == "Popularity(days=3)"
