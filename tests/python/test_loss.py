"""Errors of rw.loss, its NaN policy, and the signs that are often wrong."""

from __future__ import annotations

import numpy as np
import pytest

import relweave as rw

P, N = np.zeros(3), np.zeros((3, 2))
S, T, W = np.zeros((3, 4)), [0, 1, 3], np.ones(4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: rw.loss.margin(P, N[:2]), rw.ShapeError, "margin: negative: got shape"),
        (lambda: rw.loss.margin(N, N), rw.ShapeError, "margin: positive: got 2 dim"),
        (lambda: rw.loss.margin(P, N.astype("f4")), rw.DTypeError, "margin: negative: got dtype"),
        (lambda: rw.loss.margin(P[:0], N[:0]), rw.ShapeError, "at least one example"),
        (lambda: rw.loss.margin(P, N, margin=np.nan), rw.ConfigError, "margin: margin: got nan"),
        (lambda: rw.loss.margin(P, N, threads=0), rw.ConfigError, "margin: threads: got 0"),
        (lambda: rw.loss.bpr(P, N[:, :0]), rw.ShapeError, "one negative"),
        (lambda: rw.loss.bpr(P[:2], N), rw.ShapeError, "bpr: negative"),
        (lambda: rw.loss.sampled_softmax(S, [0, 1, 4], W), rw.IndexError, "target: got 4 at posi"),
        (lambda: rw.loss.sampled_softmax(S, [0, -1, 4], W), rw.IndexError, "target: got -1 at pos"),
        (
            lambda: rw.loss.sampled_softmax(S, np.array([0, 1, 2**32]), W),
            rw.IndexError,
            "4294967296 at position 2",
        ),
        (lambda: rw.loss.sampled_softmax(S, [0, 1], W), rw.ShapeError, "target: got shape"),
        (lambda: rw.loss.sampled_softmax(S, [0.0, 1, 2], W), rw.DTypeError, "target: got dtype"),
        (lambda: rw.loss.sampled_softmax(S, [True] * 3, W), rw.DTypeError, "target: got dtype"),
        (lambda: rw.loss.sampled_softmax(S, T, W[:3]), rw.ShapeError, "softmax: log_q"),
        (lambda: rw.loss.sampled_softmax(S, T, W, count=P), rw.ShapeError, "softmax: count"),
        (lambda: rw.loss.sampled_softmax(S, T, W, count=0 * W), rw.ConfigError, "count: got 0"),
        (lambda: rw.loss.sampled_softmax(S, T, W, row_weights=W), rw.ShapeError, "row_weights"),
        (lambda: rw.loss.sampled_softmax(S, T, W, row_weights=P), rw.ShapeError, "positive total"),
        (lambda: rw.loss.sampled_softmax(S, T, W, temperature=0), rw.ConfigError, "temperature"),
        (lambda: rw.loss.sampled_softmax(S[:0], [], W), rw.ShapeError, "at least one row"),
        (lambda: rw.loss.dot_product(S, [0, 1, 9], W), rw.IndexError, "dot_product: target: got 9"),
        (lambda: rw.loss.dot_product(S, T, -W), rw.ConfigError, "dot_product: weights: got -1"),
        (lambda: rw.loss.dot_product(S, T, np.nan * W), rw.ConfigError, "weights: got nan"),
        (lambda: rw.loss.dot_product(S, T, W.astype("f4")), rw.DTypeError, "weights: got dtype"),
        (lambda: rw.loss.dot_product(S[:0], [], W), rw.ShapeError, "no row"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_nan_scores_make_the_loss_nan():
    broken_pairs, broken = N.copy(), S.copy()
    broken_pairs[1, 1] = broken[1, 1] = np.nan

    for loss in (
        rw.loss.margin(P, broken_pairs),
        rw.loss.bpr(P, broken_pairs),
        rw.loss.sampled_softmax(broken, T, W),
        rw.loss.dot_product(broken, T, W),
    ):
        assert np.isnan(loss.value)


def test_the_correction_spares_popular_negatives():
    log_q = np.log([0.7, 0.1, 0.1, 0.1])

    corrected = rw.loss.sampled_softmax(S, [1, 1, 1], log_q, temperature=1.0).grad_scores[0]

    plain = rw.loss.sampled_softmax(S, [1, 1, 1], 0 * log_q, temperature=1.0).grad_scores[0]
    assert corrected[0] < plain[0]  # the popular item is pushed down less
    assert corrected[2] > plain[2]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_for_any_number_of_threads(threads):
    rng = np.random.default_rng(0)
    scores, target = rng.normal(size=(500, 60)).astype("f4"), rng.integers(0, 60, 500)
    log_q = np.log(rng.random(60)).astype("f4")

    value, grad = rw.loss.sampled_softmax(scores, target, log_q, threads=threads)

    expected = rw.loss.sampled_softmax(scores, target, log_q)
    assert value == expected.value
    np.testing.assert_array_equal(grad, expected.grad_scores)
