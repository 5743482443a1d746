"""The package on a real GPU, with arrays of PyTorch and CuPy: scripts/gpu_report.sh runs it."""

from __future__ import annotations

from types import ModuleType

import cupy
import numpy as np
import pytest
import torch

import relweave as rw

N_ITEMS, WIDTH = 3_000, 48
HGNN = {"layers": (64, 64), "epochs": 2, "batch": 512, "fanout": 5}
TOWERS = {"layers": (64, 64), "epochs": 2, "batch": 256}


@pytest.fixture(scope="module")
def catalog():
    return rw.Catalog(
        {"item": np.arange(N_ITEMS), "kind": np.tile(["song", "book", "game"], N_ITEMS // 3)},
        id="item",
        type="kind",
    )


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    user = rng.integers(0, 2_000, 40_000)
    item = (rng.integers(0, N_ITEMS // 20, 40_000) * 20 + user % 20) % N_ITEMS
    return rw.InteractionLog(
        {"u": user, "i": item, "t": np.arange(user.size)}, user="u", item="i", time="t"
    )


@pytest.fixture(scope="module")
def graph(log, catalog):
    return rw.CoInteractionGraph.build(log, catalog, {"top_neighbors": 10})


@pytest.fixture(scope="module")
def features(catalog):
    values = np.random.default_rng(1).normal(size=(N_ITEMS, WIDTH)).astype(np.float32)
    return values[catalog.rows]


# A few steps: after a hundred, noise of 1e-7 in the features moves vectors by 5e-2 on the CPU, too.
SHORT = {"epochs": 1, "batch": 4096}


def hgnn(graph, features, device="cuda", **config):
    model = rw.HGNN(config={**HGNN, **config}, seed=3, device=device)
    return model.fit(graph, features, progress=False)


def towers(log, catalog, features, vectors, device="cuda", **config):
    model = rw.TwoTower(config={**TOWERS, **config}, seed=3, device=device)
    return model.fit(log, catalog, features, vectors, progress=False)


def back(array, library: ModuleType):
    """Return an array of the library over the memory of ours, and its copy on the host."""
    there = library.from_dlpack(array)
    return there, there.cpu().numpy() if library is torch else cupy.asnumpy(there)


def test_the_gpu_is_listed():
    (first, *_) = rw.show_config()["cuda_devices"]

    assert first["name"] == torch.cuda.get_device_name(0)


@pytest.mark.parametrize("library", [torch, cupy], ids=["torch", "cupy"])
def test_models_take_and_give_arrays_of_others(log, catalog, graph, features, library):
    there = torch.tensor(features, device="cuda") if library is torch else cupy.asarray(features)
    expected = hgnn(graph, features)

    model = hgnn(graph, there)

    vectors, copied = back(model.vectors_, library)
    np.testing.assert_array_equal(copied, expected.vectors_)
    trained = towers(log, catalog, there, vectors)
    wanted = towers(log, catalog, features, expected.vectors_)
    np.testing.assert_array_equal(back(trained.item_vectors_, library)[1], wanted.item_vectors_)


def test_training_gives_the_same_bits_each_time(log, catalog, graph, features):
    first, second = hgnn(graph, features), hgnn(graph, features)

    np.testing.assert_array_equal(first.vectors_, second.vectors_)
    np.testing.assert_array_equal(
        towers(log, catalog, features, first.vectors_).item_vectors_,
        towers(log, catalog, features, first.vectors_).item_vectors_,
    )


def test_training_is_that_of_the_cpu(log, catalog, graph, features):
    there, here = (hgnn(graph, features, device, **SHORT) for device in ("cuda", "cpu"))

    np.testing.assert_allclose(there.vectors_, here.vectors_, atol=1e-4)
    there, here = (
        towers(log, catalog, features, here.vectors_, device, **SHORT) for device in ("cuda", "cpu")
    )
    np.testing.assert_allclose(there.item_vectors_, here.item_vectors_, atol=1e-3)


def test_a_recommender_is_that_of_the_cpu(log, catalog, features):
    there, here = (
        rw.Recommender(seed=3, device=device, hgnn={**HGNN, **SHORT}, towers={**TOWERS, **SHORT})
        .fit(log, catalog, features, progress=False)
        .score_users([0, 1, 2, 9999])
        for device in ("cuda", "cpu")
    )

    np.testing.assert_allclose(there, here, atol=1e-2)


def test_work_of_the_producers_stream_is_waited_for(graph, features):
    expected = hgnn(graph, features * 2)
    stream = torch.cuda.Stream()
    values = torch.tensor(features, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(500_000_000)  # the stream is busy before it doubles them
        doubled = values * 2
        model = hgnn(graph, doubled)

    np.testing.assert_array_equal(back(model.vectors_, torch)[1], expected.vectors_)


@pytest.mark.parametrize("k", [1, 10, 100, 2048])
def test_exact_search_is_that_of_torch(k):
    vectors = torch.randn(50_000, 64, device="cuda", dtype=torch.float32)
    queries = torch.randn(130, 64, device="cuda", dtype=torch.float32)
    exact = (queries.double() @ vectors.double().T).topk(k)

    ids, scores = rw.ExactIndex(vectors, device="cuda").search(queries, k=k)

    np.testing.assert_allclose(scores.numpy(), exact.values.cpu().numpy(), rtol=1e-4, atol=1e-4)
    same = ids.numpy() == exact.indices.cpu().numpy()
    assert same.mean() > 0.999  # near ties may swap


def test_more_than_the_memory_is_an_error_and_the_index_stays_usable():
    index = rw.ExactIndex(torch.eye(16, device="cuda"), device="cuda")
    free = torch.cuda.mem_get_info()[0]
    taken = torch.empty(max(free - (256 << 20), 1), dtype=torch.uint8, device="cuda")

    with pytest.raises(rw.CudaError, match="memory"):
        rw.ExactIndex(np.ones((2_000_000, 128), np.float32), device="cuda")

    del taken
    torch.cuda.empty_cache()
    ids, _ = index.search(torch.eye(16, device="cuda"), k=1)
    np.testing.assert_array_equal(ids.numpy()[:, 0], np.arange(16))
