"""Ctrl-C and exceptions between batches at every door that trains; processes that fork."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings

import numpy as np
import pytest
from conftest import N_ITEMS, SMALL

import relweave as rw

LONG = {
    "hgnn": {**SMALL["hgnn"], "epochs": 100_000, "patience": 100_000},
    "towers": {**SMALL["towers"], "epochs": 100_000},
}


def recommender(tiny, settings, progress):
    model = rw.Recommender(seed=3, **{**SMALL, "towers": settings["towers"]})
    return model, lambda: model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=progress)


def hgnn(tiny, settings, progress):
    graph = rw.CoInteractionGraph.build(tiny.log(), tiny.catalog())
    model = rw.HGNN(config=settings["hgnn"], seed=3)
    return model, lambda: model.fit(graph, tiny.vectors, progress=progress)


def towers(tiny, settings, progress):
    model = rw.TwoTower(config=settings["towers"], seed=3)
    given = tiny.log(), tiny.catalog(), tiny.vectors, tiny.vectors
    return model, lambda: model.fit(*given, progress=progress)


def refit(tiny, settings, progress):
    model = rw.Recommender(seed=3, **{**SMALL, "towers": settings["towers"]})
    model.fit(
        tiny.log(),
        tiny.catalog(),
        tiny.vectors,
        progress=lambda p: p.stage != "towers" or p.step < 2,
    )
    later = tiny.log().select(np.arange(900))
    return model, lambda: model.refit_towers(later, progress=progress)


def vectors_of(model):
    return model.vectors_ if isinstance(model, rw.HGNN) else model.item_vectors_


def history_of(model):
    return model.history_["towers"] if isinstance(model, rw.Recommender) else model.history_


DOORS = [recommender, hgnn, towers, refit]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_exception_between_batches_leaves_a_usable_model(tiny, door, error):
    def stop(progress):
        if progress.stage == ("hgnn" if door is hgnn else "towers") and progress.step == 3:
            raise error("mine")

    model, train = door(tiny, SMALL, stop)

    with pytest.raises(error, match="mine"):
        train()

    assert history_of(model).interrupted
    assert len(history_of(model).epochs) == 1
    assert vectors_of(model).shape == (N_ITEMS, 16)
    assert np.isfinite(vectors_of(model)).all()


@pytest.mark.parametrize("door", DOORS)
def test_ctrl_c_between_batches_leaves_a_usable_model(tiny, door):
    started = threading.Event()

    def interrupt():
        started.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    def watch(progress):
        if progress.stage == ("hgnn" if door is hgnn else "towers"):
            started.set()

    model, train = door(tiny, LONG, watch)
    thread = threading.Thread(target=interrupt)
    thread.start()

    with pytest.raises(KeyboardInterrupt):
        train()
    thread.join()

    assert history_of(model).interrupted
    assert np.isfinite(vectors_of(model)).all()


def test_a_stopped_refit_reports_what_the_new_towers_saw(tiny):
    def stop(progress):
        raise KeyboardInterrupt

    model, train = refit(tiny, SMALL, stop)

    with pytest.raises(KeyboardInterrupt):
        train()

    assert model.fit_report_.events == 900
    assert len(model.user_ids_) == model.fit_report_.users
    assert model.recommend(model.user_ids_[:2], k=3)[0].shape == (2, 3)


def test_a_fit_that_is_stopped_in_the_hgnn_says_so(tiny, tmp_path):
    def stop(progress):
        if progress.stage == "hgnn":
            raise KeyboardInterrupt

    model = rw.Recommender(seed=3, **SMALL)

    with pytest.raises(KeyboardInterrupt):
        model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=stop)

    assert model.similar_items(["i0"], k=3)[0].shape == (1, 3)
    for ask in (
        lambda: model.recommend(["u0"]),
        lambda: model.save(tmp_path / "model"),
        lambda: model.refit_towers(tiny.log()),
        lambda: model.item_vectors_,
    ):
        with pytest.raises(rw.NotFittedError, match="stopped before"):
            ask()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, None])
def test_a_fit_that_is_stopped_in_the_graph_changes_nothing(tiny, error):
    def stop(progress):
        assert progress.stage == "graph"
        if error is not None:
            raise error("mine")
        return False

    expected = (error or rw.StoppedError, "mine" if error else "before there was a graph")
    fresh, fitted = rw.Recommender(seed=3, **SMALL), rw.Recommender(seed=3, **SMALL)
    fitted.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=False)
    before = fitted.score_users(["u0", "nobody"])

    for model in (fresh, fitted):
        with pytest.raises(expected[0], match=expected[1]):
            model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=stop)
    with pytest.raises(expected[0], match=expected[1]):
        fitted.refit_graph(tiny.log().select(np.arange(900)), progress=stop)
    with pytest.raises(expected[0], match=expected[1]):
        rw.CoInteractionGraph.build(tiny.log(), tiny.catalog(), progress=stop)

    np.testing.assert_array_equal(fitted.score_users(["u0", "nobody"]), before)
    with pytest.raises(rw.NotFittedError):
        fresh.recommend(["u0"])


def test_a_refused_fit_of_a_fitted_model_leaves_it_as_it_was(tiny):
    model = rw.Recommender(seed=3, **SMALL)
    model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=False)
    before, report = model.score_users(["u0", "nobody"]), model.fit_report_
    lone = rw.InteractionLog({"u": ["a"], "i": ["i1"]}, user="u", item="i")

    for log, vectors, error in (
        (lone, tiny.vectors, rw.GraphError),
        (tiny.log(), tiny.vectors * np.nan, rw.ConfigError),
        (tiny.log(), tiny.vectors[:5], rw.ShapeError),
    ):
        with pytest.raises(error):
            model.fit(log, tiny.catalog(), vectors, progress=False)

    assert model.fit_report_ == report
    np.testing.assert_array_equal(model.score_users(["u0", "nobody"]), before)


def in_child(work):
    """Run `work` in a forked process; return what it returned, or fail after a minute."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=lambda: there.send(work()))
    with warnings.catch_warnings():  # newer Pythons warn of what is tested here
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    try:
        assert here.poll(60), "the child hangs"
        return here.recv()
    finally:
        process.kill()
        process.join()
        here.close()
        there.close()


def test_a_forked_process_answers_and_trains_as_its_parent(tiny):
    def fit():
        model = rw.Recommender(seed=3, threads=3, **SMALL)
        return model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=False)

    model = fit()

    answered = in_child(lambda: model.score_users(model.user_ids_))
    trained = in_child(lambda: fit().item_vectors_)

    np.testing.assert_array_equal(answered, model.score_users(model.user_ids_))
    np.testing.assert_array_equal(trained, model.item_vectors_)


def test_a_process_forked_while_another_thread_trains_answers(tiny, model):
    started, stop = threading.Event(), threading.Event()

    def watch(progress):
        started.set()
        return not stop.is_set()

    busy = rw.Recommender(seed=3, threads=3, **LONG)
    given = tiny.log(), tiny.catalog(), tiny.vectors
    thread = threading.Thread(target=lambda: busy.fit(*given, progress=watch))
    thread.start()
    started.wait(60)

    try:
        answers = [in_child(lambda: model.score_users(["u0", "nobody"])) for _ in range(3)]
    finally:
        stop.set()
        thread.join()

    for answer in answers:
        np.testing.assert_array_equal(answer, model.score_users(["u0", "nobody"]))
