"""Every class on a device against the CPU: equal up to rounding; and where results lie."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import threading

import numpy as np
import pytest
from conftest import HGNN, N_ITEMS, TOWERS
from producers import LENT, Producer

import relweave as rw

LONG = {"epochs": 100_000, "patience": 100_000}
# Two epochs of training on sums of another order; measured differences are below 1e-4.
TRAINED = {"atol": 5e-3}


def hgnn(world, features, device="cuda", **settings):
    model = rw.HGNN(config={**HGNN, **settings}, seed=3, device=device)
    return model.fit(world.graph, features, progress=False)


def towers(world, features, vectors, device="cuda", **arguments):
    model = rw.TwoTower(config={**TOWERS, **arguments.pop("config", {})}, seed=3, device=device)
    return model.fit(world.log, world.catalog, features, vectors, progress=False, **arguments)


def recommender(world, device, **settings):
    settings = {"hgnn": HGNN, "towers": TOWERS, **settings}
    model = rw.Recommender(seed=3, device=device, **settings)
    return model.fit(world.log, world.catalog, world.vectors, progress=False)


@pytest.fixture(scope="module")
def on_cpu(world):
    return recommender(world, "cpu")


def new_items():
    return rw.Catalog(
        {"item": ["n0", "n1", "n2"], "kind": ["song", "book", "song"]}, id="item", type="kind"
    )


def test_an_hgnn_is_that_of_the_cpu(world):
    expected = hgnn(world, world.inner, "cpu")

    for device in ("cuda", "cuda:1"):
        model = hgnn(world, world.inner, device)

        assert isinstance(model.vectors_, np.ndarray)
        np.testing.assert_allclose(model.vectors_, expected.vectors_, **TRAINED)
        losses = [epoch.loss for epoch in model.history_.epochs]
        assert losses == pytest.approx([epoch.loss for epoch in expected.history_.epochs], rel=1e-4)


def test_an_hgnn_that_reads_the_device_answers_there(world):
    expected = hgnn(world, world.inner)

    model = hgnn(world, Producer(world.inner, device=1), "cuda:1")

    vectors = model.vectors_
    assert isinstance(vectors, rw.DeviceArray)
    assert (vectors.device, vectors.shape) == ("cuda:1", (N_ITEMS, 16))
    np.testing.assert_array_equal(vectors.numpy(), expected.vectors_)
    for name, tensor in model.parameters().items():
        np.testing.assert_array_equal(tensor, expected.parameters()[name])


def test_new_items_come_in_the_order_of_their_frame(world):
    features, edges = world.vectors[:3] * 2, (["n1", "n0"], ["i4", "i9"])
    expected = hgnn(world, world.inner, "cpu").embed_new(new_items(), features, edges)
    model, there = hgnn(world, world.inner), hgnn(world, Producer(world.inner))

    on_host = model.embed_new(new_items(), features, edges)
    answers = [
        model.embed_new(new_items(), Producer(features), edges),
        there.embed_new(new_items(), features, edges),
        there.embed_new(new_items(), Producer(features), edges),
    ]

    np.testing.assert_allclose(on_host, expected, **TRAINED)
    for answer in answers:
        assert isinstance(answer, rw.DeviceArray)
        np.testing.assert_array_equal(answer.numpy(), on_host)
    with pytest.raises(rw.ShapeError, match="features: got 11 columns, expected 12"):
        there.embed_new(new_items(), Producer(features[:, :11]), edges)
    with pytest.raises(rw.ShapeError, match=r"shape \(2, 12\), expected shape \(3, d\)"):
        there.embed_new(new_items(), Producer(features[:2]), edges)


def test_towers_are_those_of_the_cpu(world):
    cold = {"cold_vectors": world.inner * 0.5, "config": {"cold_items": 0.2}}
    users = {"u": [f"u{k}" for k in range(30)], "age": np.arange(30.0)}
    for more in ({}, cold, {"users": users}):
        expected = towers(world, world.inner, world.inner, "cpu", **more)

        model = towers(world, world.inner, world.inner, **more)

        np.testing.assert_allclose(model.item_vectors_, expected.item_vectors_, **TRAINED)
        np.testing.assert_array_equal(model.item_bias_, expected.item_bias_)
        asked = [["i1", "i5"], []]
        np.testing.assert_allclose(
            model.user_vectors(asked), expected.user_vectors(asked), **TRAINED
        )


def test_towers_that_read_the_device_answer_there(world):
    z = hgnn(world, Producer(world.inner)).vectors_
    cold = {"cold_vectors": world.inner[:, :1] + np.zeros((1, 16)), "config": {"cold_items": 0.2}}
    expected = towers(world, world.inner, z.numpy(), **cold)
    there = {**cold, "cold_vectors": Producer(cold["cold_vectors"])}

    for model in (
        towers(world, Producer(world.inner), z, **there),
        towers(world, world.inner, z, **cold),
        towers(world, Producer(world.inner), z.numpy(), **there),
    ):
        vectors, users = model.item_vectors_, model.user_vectors([["i1", "i5"], []])
        assert isinstance(vectors, rw.DeviceArray)
        assert isinstance(users, rw.DeviceArray)
        np.testing.assert_array_equal(vectors.numpy(), expected.item_vectors_)
        np.testing.assert_array_equal(users.numpy(), expected.user_vectors([["i1", "i5"], []]))


def test_a_model_stays_where_its_arrays_are(world):
    model = hgnn(world, Producer(world.inner)).set_params(device="cpu")

    with pytest.raises(rw.DeviceError, match=r"vectors_: device: got 'cpu', expected 'cuda:0'"):
        model.vectors_  # noqa: B018
    elsewhere = hgnn(world, world.inner).set_params(device="cpu")
    assert elsewhere.vectors_.shape == (N_ITEMS, 16)


def test_an_index_is_that_of_the_cpu(world):
    expected = rw.ExactIndex(world.vectors)
    queries = world.vectors[:9] + np.float32(0.1)

    for device in ("cuda", "cuda:0", "cuda:1"):
        index = rw.ExactIndex(world.vectors, device=device)
        ids, scores = index.search(queries, k=70)

        assert (len(index), index.dimension) == (N_ITEMS, 12)
        np.testing.assert_array_equal(ids, expected.search(queries, k=70)[0])
        np.testing.assert_allclose(scores, expected.search(queries, k=70)[1], rtol=1e-5)


def test_an_index_answers_where_its_vectors_or_the_queries_are(world):
    queries = world.vectors[:9] + np.float32(0.1)
    expected = rw.ExactIndex(world.vectors, device="cuda").search(queries, k=5)

    for vectors, asked in (
        (Producer(world.vectors), queries),
        (world.vectors, Producer(queries)),
        (Producer(world.vectors), Producer(queries)),
    ):
        answer = rw.ExactIndex(vectors, device="cuda").search(asked, k=5)
        for there, here in zip(answer, expected, strict=True):
            assert isinstance(there, rw.DeviceArray)
            np.testing.assert_array_equal(there.numpy(), here)


def test_an_index_on_a_device_refuses_what_it_cannot_do(world):
    index = rw.ExactIndex(world.vectors, device="cuda")
    holes = np.where(world.vectors > 2, np.inf, world.vectors)

    with pytest.raises(rw.ConfigError, match=r"ExactIndex.search: k: got 2049, expected 1 to 2048"):
        index.search(world.vectors, k=2049)
    with pytest.raises(rw.ShapeError, match=r"ExactIndex.search: queries: got shape \(60, 11\)"):
        index.search(world.vectors[:, :11], k=3)
    with pytest.raises(rw.ConfigError, match=r"ExactIndex.search: queries: .*not finite"):
        index.search(holes, k=3)
    for vectors in (holes, Producer(holes)):
        with pytest.raises(rw.ConfigError, match=r"ExactIndex.*vectors"):
            rw.ExactIndex(vectors, device="cuda")


@pytest.mark.parametrize("use_hgnn", [True, False])
def test_a_recommender_is_that_of_the_cpu(world, use_hgnn):
    expected = recommender(world, "cpu", use_hgnn=use_hgnn)
    users = ["u3", "nobody", "u0", "no one"]

    model = recommender(world, "cuda:1", use_hgnn=use_hgnn)

    scores = model.score_users(users)
    np.testing.assert_allclose(scores, expected.score_users(users), atol=2e-2)
    np.testing.assert_allclose(model.general_vectors_, expected.general_vectors_, **TRAINED)
    ids, best = model.recommend(users, k=5, exclude_seen=False)
    np.testing.assert_allclose(best, np.sort(scores)[:, :-6:-1], atol=1e-5)
    ids, _ = model.recommend(users, k=5, types=["song"], items=["i0", "i3", "i6"])
    assert set(ids.ravel()) <= {"i0", "i3", "i6", None}
    near, _ = model.similar_items(["i0"], k=3)
    assert "i0" not in near


def test_a_recommender_learns_new_logs_and_items_on_the_device(world, on_cpu):
    model = recommender(world, "cuda")
    features = world.vectors[:3] * 2

    vectors = model.embed_items(new_items(), features)
    model.add_items(new_items(), features)

    np.testing.assert_allclose(vectors, on_cpu.embed_items(new_items(), features), **TRAINED)
    ids, _ = model.recommend(["u1"], k=2, items=["n2"])
    assert ids.tolist() == [["n2", None]]
    before = model.score_users(["u1"])
    assert before.shape == (1, N_ITEMS + 3)
    later = world.log.select(np.arange(300))
    model.refit_graph(later).refit_towers(later, progress=False)
    assert np.abs(model.score_users(["u1"]) - before[:, :N_ITEMS]).max() > 1e-3


def test_a_saved_model_does_not_remember_the_device(world, on_cpu, tmp_path):
    model = recommender(world, "cuda")
    model.save(tmp_path / "model")

    here, there = rw.load(tmp_path / "model"), rw.load(tmp_path / "model", device="cuda:1")

    assert (here.device, there.device) == ("cpu", "cuda:1")
    users = ["u1", "u2"]
    np.testing.assert_array_equal(there.score_users(users), model.score_users(users))
    np.testing.assert_allclose(here.score_users(users), model.score_users(users), atol=1e-5)
    with pytest.raises(rw.ConfigError, match="k: got 2049, expected 1 to 2048"):
        there.recommend(users, k=2049)
    assert here.recommend(users, k=2049)[0].shape == (2, 2049)


def fit_hgnn(world, device, progress):
    model = rw.HGNN(config={**HGNN, **LONG}, device=device)
    return model, lambda: model.fit(world.graph, Producer(world.inner), progress=progress)


def fit_towers(world, device, progress):
    model = rw.TwoTower(config={**TOWERS, "epochs": 100_000}, device=device)
    given = world.log, world.catalog, Producer(world.inner), Producer(world.inner)
    return model, lambda: model.fit(*given, progress=progress)


def fit_recommender(world, device, progress):
    settings = {"hgnn": HGNN, "towers": {**TOWERS, "epochs": 100_000}}
    model = rw.Recommender(device=device, **settings)
    return model, lambda: model.fit(world.log, world.catalog, world.vectors, progress=progress)


DOORS = [fit_hgnn, fit_towers, fit_recommender]


def finite(model):
    found = model.vectors_ if isinstance(model, rw.HGNN) else model.item_vectors_
    return np.isfinite(found if isinstance(found, np.ndarray) else found.numpy()).all()


@pytest.mark.parametrize("door", DOORS)
def test_an_exception_between_steps_leaves_a_usable_model(world, door):
    seen = []

    def stop(progress):
        seen.append(progress.loss)
        if progress.stage == ("hgnn" if door is fit_hgnn else "towers") and progress.step == 3:
            raise ValueError("mine")

    model, train = door(world, "cuda", stop)

    with pytest.raises(ValueError, match="mine"):
        train()

    assert len(seen) >= 3
    assert finite(model)


@pytest.mark.parametrize("door", DOORS)
def test_ctrl_c_stops_a_fit_on_the_device(world, door):
    started = threading.Event()

    def interrupt():
        started.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    def watch(progress):
        if progress.stage == ("hgnn" if door is fit_hgnn else "towers"):
            started.set()

    model, train = door(world, "cuda", watch)
    thread = threading.Thread(target=interrupt)
    thread.start()

    with pytest.raises(KeyboardInterrupt):
        train()
    thread.join()

    assert finite(model)


def test_fitted_models_on_a_device_refuse_pickle(world):
    for model, message in (
        (hgnn(world, Producer(world.inner), epochs=1), "HGNN: pickle"),
        (towers(world, world.inner, world.inner, config={"epochs": 1}), "TwoTower: pickle"),
        (rw.ExactIndex(world.vectors, device="cuda"), "ExactIndex: pickle"),
    ):
        for refused in (pickle.dumps, copy.deepcopy):
            with pytest.raises(rw.DTypeError, match=message):
                refused(model)
    again = pickle.loads(pickle.dumps(rw.HGNN(device="cuda:1")))
    assert again.get_params()["device"] == "cuda:1"


def test_threads_search_one_index_at_once(world):
    index = rw.ExactIndex(Producer(world.vectors), device="cuda")
    expected = index.search(world.vectors, k=4)[0].numpy()
    answers = [None] * 4

    def ask(n):
        answers[n] = index.search(Producer(world.vectors), k=4)[0].numpy()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for answer in answers:
        np.testing.assert_array_equal(answer, expected)


def test_whatever_call_of_cuda_fails_is_an_error_with_nothing_left(world, emulation):
    vectors, queries = world.vectors[:8], world.vectors[:2]

    def search():
        index = rw.ExactIndex(Producer(vectors), device="cuda")
        return [x.numpy() for x in index.search(Producer(queries), k=3)]

    expected = search()
    before = emulation.live()
    failures = ignored = 0
    for skip in range(1000):
        emulation.fail(skip)
        try:
            answer = search()
            ignored += 1
        except (rw.CudaError, rw.DeviceError):
            failures += 1
            answer = expected
        pending = emulation.failure_pending()
        emulation.work()
        for got, wanted in zip(answer, expected, strict=True):
            np.testing.assert_array_equal(got, wanted)
        assert not LENT
        if pending:
            break

    assert pending
    assert failures > 20
    left = np.subtract(emulation.live(), before).sum()
    assert left <= ignored  # where a call that frees failed
    emulation.expected = emulation.live()
