"""Metrics against the independent protocol beside the peers, and against loops."""

import sys
from pathlib import Path

import numpy as np
import pytest

import relweave as rw

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))


class Untied(rw.baselines.EASE):
    """No two items with the same score: the protocol breaks ties by another order of items."""

    def score_users(self, user_ids):
        return super().score_users(user_ids) + np.random.default_rng(0).normal(
            0, 1e-3, len(self.item_ids_)
        ).astype(np.float32)


def test_every_slice_agrees_with_the_peers_protocol():
    from xwines_protocol import Data

    data = rw.datasets.load_xwines()
    train, test = data.split()
    model = Untied().fit(train, data.catalog())
    protocol = Data()
    wine = {id: k for k, id in enumerate(model.item_ids_.tolist())}
    columns = [wine[id] for id in data.items["wine"].tolist()]
    users = np.unique(data.events["user"])
    expected = protocol.eval(model.score_users(users[protocol.eval_users])[:, columns])

    report = rw.evaluate(model, test)

    for ours, theirs in (
        ("all", "all"),
        ("warm", "warm"),
        ("cold", "cold"),
        ("same_type", "type_warm"),
        ("cross_type", "type_cross"),
        ("cold_type", "type_cold"),
        ("head_items", "tier_top10"),
        ("middle_items", "tier_mid40"),
        ("tail_items", "tier_bot50"),
        ("cold_items", "colditem"),
    ):
        got = report.slices[ours]
        for name, value in expected[theirs].items():
            name = {"cov": "coverage"}.get(name, name)
            # the protocol cuts tiers by another order of equally popular items
            slack = {"n": 20, "recall": 2e-3} if theirs.startswith("tier") else {}
            assert got[name] == pytest.approx(value, abs=slack.get(name, 2e-4)), (ours, name)


class Fixed:
    """Scores given as a table."""

    def __init__(self, scores, seen=(), counts=None, types=None):
        n = scores.shape[1]
        self.item_ids_ = np.arange(n)
        self.item_types_ = np.zeros(n, np.int32) if types is None else np.array(types, np.int32)
        self.type_names_ = tuple(f"t{k}" for k in range(self.item_types_.max() + 1))
        self.scores, self.touched = scores, dict(seen)
        self.counts = np.ones(n, np.int64) if counts is None else np.array(counts)

    def score_users(self, user_ids):
        return self.scores[user_ids]

    def seen(self, user_ids):
        parts = [self.touched.get(user, []) for user in user_ids.tolist()]
        ends = np.cumsum([0, *map(len, parts)])
        return ends, np.array([i for part in parts for i in part], dtype=np.int32)

    def item_counts(self):
        return self.counts


def log(pairs, strong=None):
    users, items = zip(*pairs, strict=True)
    columns = {"u": users, "i": items, "s": [True] * len(pairs) if strong is None else strong}
    return rw.InteractionLog(columns, user="u", item="i", signal="s")


def test_metrics_by_hand():
    scores = np.array([[5, 4, 3, 2, 1], [5, 4, 3, 2, 1]], dtype=np.float32)
    model = Fixed(scores, seen={0: [0]})

    report = rw.evaluate(model, log([(0, 2), (0, 4), (1, 4), (0, 0)]), k=2)

    # user 0 sees 1 2 3 4 and wants 2, 4; user 1 sees 0 1 2 3 4 and wants 4; item 0 is not new
    assert report.user_ids.tolist() == [0, 1]
    assert report.values["hr"].tolist() == [1, 0]
    assert report.values["recall"].tolist() == [0.5, 0]
    assert report.values["mrr"].tolist() == [1 / 2, 1 / 5]
    ideal = 1 + 1 / np.log2(3)
    assert report.values["ndcg"].tolist() == pytest.approx([1 / np.log2(3) / ideal, 0])
    assert report.warm.tolist() == [True, False]
    assert report.slices["warm"]["coverage"] == 2 / 5
    assert report.slices["all"]["coverage"] == 3 / 5
    assert report.slices["cold"]["hr"] == 0


def test_ties_go_to_the_lower_item():
    model = Fixed(np.zeros((1, 6), np.float32))

    report = rw.evaluate(model, log([(0, 3)]), k=3)

    assert report.values["mrr"].tolist() == [1 / 4]
    assert report.values["hr"].tolist() == [0]
    assert report.slices["all"]["coverage"] == 0.5


def test_weak_events_are_not_relevant_and_unknown_items_are_counted():
    model = Fixed(np.eye(3, dtype=np.float32))

    report = rw.evaluate(model, log([(0, 0), (1, 1), (2, 9)], [True, False, True]), k=1)

    assert report.user_ids.tolist() == [0]
    assert report.unknown_items == 1


def test_blocks_do_not_change_the_answer():
    rng = np.random.default_rng(0)
    model = Fixed(
        rng.integers(0, 9, (40, 30)).astype(np.float32),
        seen={u: rng.choice(30, 5, replace=False).tolist() for u in range(0, 40, 2)},
        counts=rng.integers(0, 3, 30),
        types=np.sort(rng.integers(0, 3, 30)),
    )
    test = log([(int(u), int(i)) for u, i in rng.integers(0, [40, 30], (150, 2))])

    whole = rw.evaluate(model, test, k=4)
    blocks = rw.evaluate(model, test, k=4, block_elements=100)

    assert whole.slices == blocks.slices
    assert whole.types == blocks.types


def test_reports_show_and_export():
    report = rw.evaluate(Fixed(np.eye(3, dtype=np.float32)), log([(0, 0), (1, 2)]), k=1)

    assert "HR@1" in report.table()
    assert "Fixed, k = 1" in str(report)
    assert "<td>0.5000</td>" in report._repr_html_()
    assert report.to_dict()["slices"]["all"]["hr"] == 0.5


def test_comparison_is_paired():
    test = log([(u, u) for u in range(50)])
    good = rw.evaluate(Fixed(np.eye(50, dtype=np.float32)), test, k=1)
    half = np.eye(50, dtype=np.float32)
    half[::2] *= -1
    reports = {"half": rw.evaluate(Fixed(half), test, k=1), "good": good}

    comparison = rw.compare(reports, slice="all")

    difference = comparison.differences["half"]
    assert comparison.reference == "good"
    assert difference["difference"] == -0.5
    assert difference["low"] < -0.5 < difference["high"] < 0
    assert difference["share_below"] == 1
    assert "half" in comparison.table()
    assert comparison.to_dict()["reference"] == "good"
    assert "<table" in comparison._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, rw.ConfigError, "k: got 0"),
        ({"k": True}, rw.ConfigError, "k: got True"),
        ({"test": [(0, 1)]}, rw.DTypeError, "an InteractionLog"),
        ({"test": log([(0, 99)])}, rw.ConfigError, "none of them relevant"),
        ({"test": log([(0, 0)], [False])}, rw.ConfigError, "none of them relevant"),
        ({"test": log([("a", "b")])}, rw.DTypeError, "strings"),
        ({"model": Fixed(np.full((1, 2), np.nan, np.float32))}, rw.ConfigError, "not finite"),
    ],
)
def test_bad_evaluations_are_refused(arguments, error, message):
    given = {"model": Fixed(np.eye(2, dtype=np.float32)), "test": log([(0, 0)])}

    with pytest.raises(error, match=message):
        rw.evaluate(**{**given, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reports": []}, "different names"),
        ({"reference": "x"}, "reference"),
        ({"slice": "some"}, "slice"),
        ({"slice": "warm"}, "no warm user"),
        ({"metric": "auc"}, "metric"),
    ],
)
def test_bad_comparisons_are_refused(arguments, message):
    report = rw.evaluate(Fixed(np.eye(2, dtype=np.float32)), log([(0, 0)]))

    with pytest.raises(rw.ConfigError, match=message):
        rw.compare(**{"reports": [report], "slice": "all", **arguments})


def test_reports_of_other_users_are_not_compared():
    model = Fixed(np.eye(3, dtype=np.float32))
    reports = {"a": rw.evaluate(model, log([(0, 0)])), "b": rw.evaluate(model, log([(1, 0)]))}

    with pytest.raises(rw.ConfigError, match="other users"):
        rw.compare(reports, slice="all")


def test_the_recommender_is_evaluated_like_any_scorer(tiny, model):
    rng = np.random.default_rng(5)
    users = [f"u{k}" for k in rng.integers(0, 150, 300)]  # the last ones are cold
    items = [f"i{k}" for k in rng.integers(0, 160, 300)]

    report = rw.evaluate(model, rw.InteractionLog({"u": users, "i": items}, user="u", item="i"))

    assert report.slices["cold"]["n"] > 0
    assert report.slices["warm"]["n"] > 0
    ids, _ = model.recommend(report.user_ids, k=10)
    listed = {id for row in ids for id in row}
    assert report.slices["all"]["coverage"] == len(listed) / 160
