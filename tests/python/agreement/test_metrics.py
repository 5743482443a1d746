"""Ranking metrics against scikit-learn and against a full sort."""

import numpy as np
import pytest
from sklearn import metrics

import relweave as rw


class Scores:
    """A scorer that knows its answers; nobody has seen anything."""

    type_names_ = ("item",)

    def __init__(self, scores):
        self.scores = scores
        self.item_ids_ = np.arange(scores.shape[1])
        self.item_types_ = np.zeros(scores.shape[1], np.int32)

    def score_users(self, user_ids):
        return self.scores[user_ids]

    def seen(self, user_ids):
        return np.zeros(len(user_ids) + 1, np.int64), np.zeros(0, np.int32)

    def item_counts(self):
        return np.ones(self.scores.shape[1], np.int64)


def evaluate(relevant, scores, k):
    users, items = np.nonzero(relevant)
    log = rw.InteractionLog({"u": users, "i": items}, user="u", item="i")
    return rw.evaluate(Scores(scores), log, k)


@pytest.fixture
def scores():
    rng = np.random.default_rng(3)
    return rng.permuted(np.tile(np.arange(80, dtype=np.float32), (50, 1)), axis=1)  # no ties


@pytest.mark.parametrize("k", [1, 5, 80])
def test_ndcg_agrees_with_scikit_learn(scores, k):
    relevant = np.random.default_rng(4).random(scores.shape) < 0.1

    report = evaluate(relevant, scores, k)

    expected = [
        metrics.ndcg_score(relevant[[u]].astype(int), scores[[u]], k=k) for u in report.user_ids
    ]
    np.testing.assert_allclose(report.values["ndcg"], expected, rtol=1e-12)


def test_hr_and_mrr_of_one_relevant_item_agree_with_scikit_learn(scores):
    target = np.random.default_rng(5).integers(0, scores.shape[1], len(scores))
    relevant = np.eye(scores.shape[1], dtype=bool)[target]

    report = evaluate(relevant, scores, 10)

    got = report.slices["all"]
    hr = metrics.top_k_accuracy_score(target, scores, k=10, labels=np.arange(scores.shape[1]))
    assert got["hr"] == pytest.approx(hr)
    assert got["recall"] == pytest.approx(hr)
    assert got["mrr"] == pytest.approx(
        metrics.label_ranking_average_precision_score(relevant, scores)
    )


def test_recall_mrr_and_coverage_agree_with_a_full_sort(scores):
    relevant = np.random.default_rng(6).random(scores.shape) < 0.1

    report = evaluate(relevant, scores, 7)

    order = np.argsort(-scores, axis=1)
    users = report.user_ids
    hits = np.take_along_axis(relevant, order, axis=1)[users]
    np.testing.assert_allclose(
        report.values["recall"], hits[:, :7].sum(axis=1) / relevant[users].sum(axis=1)
    )
    np.testing.assert_allclose(report.values["mrr"], 1 / (hits.argmax(axis=1) + 1))
    listed = len(np.unique(order[users, :7]))
    assert report.slices["all"]["coverage"] == listed / scores.shape[1]
