"""Progress, interruption, and the same bits for any number of threads."""

import os
import signal
import threading

import numpy as np
import pytest
from conftest import SMALL

import relweave as rw


def fit(tiny, progress=False, **settings):
    model = rw.Recommender(seed=3, **{**SMALL, **settings})
    return model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=progress)


def test_the_same_bits_for_1_2_and_3_threads(tiny):
    models = [fit(tiny, threads=threads) for threads in (1, 2, 3)]

    answers = [m.recommend(m.user_ids_, k=10) for m in models]
    for other, (ids, scores) in zip(models[1:], answers[1:], strict=True):
        np.testing.assert_array_equal(models[0].graph_.weights, other.graph_.weights)
        np.testing.assert_array_equal(models[0].general_vectors_, other.general_vectors_)
        np.testing.assert_array_equal(models[0].item_vectors_, other.item_vectors_)
        assert ids.tolist() == answers[0][0].tolist()
        np.testing.assert_array_equal(scores, answers[0][1])


def test_seeds_differ(tiny):
    model = rw.Recommender(**{**SMALL, "seed": 4})
    model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)

    assert np.abs(fit(tiny).item_vectors_ - model.item_vectors_).max() > 0.01


def test_the_order_of_events_does_not_matter(tiny):
    log = tiny.log()
    shuffled = log.select(np.random.default_rng(1).permutation(len(log)))
    model = rw.Recommender(seed=3, **SMALL)

    model.fit(shuffled, tiny.catalog(), features=tiny.vectors, progress=False)

    np.testing.assert_array_equal(fit(tiny).item_vectors_, model.item_vectors_)


def test_progress_is_told_step_by_step(tiny):
    steps = []

    fit(tiny, progress=steps.append)

    assert [s.stage for s in steps] == sorted(s.stage for s in steps)
    assert {s.stage for s in steps} == {"graph", "hgnn", "towers"}
    last = steps[-1]
    assert (last.epoch, last.epochs, last.step) == (14, 15, last.steps)
    assert last.done == 15
    assert all(np.isfinite(s.loss) for s in steps)


def test_watching_changes_nothing(tiny):
    watched = fit(tiny, progress=lambda step: None)

    np.testing.assert_array_equal(watched.item_vectors_, fit(tiny).item_vectors_)


def test_false_stops_the_training_and_the_model_works(tiny):
    model = fit(tiny, progress=lambda p: not (p.stage == "towers" and p.epoch == 1))

    assert model.history_["towers"].interrupted
    assert not model.history_["hgnn"].interrupted
    assert model.recommend(["u0"], k=5)[0].shape == (1, 5)


def test_an_exception_in_the_callback_arrives_after_the_model_is_left_usable(tiny):
    model = rw.Recommender(seed=3, **SMALL)

    def fail(progress):
        if progress.stage == "towers" and progress.epoch == 1:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=fail)
    assert model.recommend(["u0"], k=5)[0].shape == (1, 5)
    assert model.fit_report_.events == 1800


def test_stopping_in_the_hgnn_leaves_item_vectors(tiny):
    model = fit(tiny, progress=lambda p: p.stage != "hgnn" or p.epoch < 1)

    assert model.similar_items(["i0"], k=3)[0].shape == (1, 3)
    with pytest.raises(rw.NotFittedError, match="stopped before"):
        model.recommend(["u0"])


def test_ctrl_c_stops_between_steps_and_the_model_works(tiny):
    model = rw.Recommender(seed=3, **{**SMALL, "towers": {"epochs": 100_000, "batch": 128}})
    started = threading.Event()

    def interrupt():
        started.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    def watch(progress):
        if progress.stage == "towers":
            started.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=watch)
    thread.join()

    assert model.history_["towers"].interrupted
    assert model.recommend(["u0"], k=5)[0].shape == (1, 5)


def test_ctrl_c_works_without_progress(tiny):
    model = rw.Recommender(seed=3, **{**SMALL, "hgnn": {"epochs": 100_000, "patience": 100_000}})
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()

    with pytest.raises(KeyboardInterrupt):
        model.fit(tiny.log(), tiny.catalog(), features=tiny.vectors, progress=False)
    timer.join()

    assert model.similar_items(["i0"], k=3)[0].shape == (1, 3)


def test_the_gil_is_free_while_training(tiny):
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    fit(tiny)
    stop.set()
    thread.join()

    assert len(ticks) > 10
