"""Neighbour sampling: what it draws, what it refuses."""

import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import relweave as rw

RATES = ("user", "rates", "item")
RATED = ("item", "rated", "user")
LIKE = ("item", "like", "item")


@pytest.fixture(scope="module")
def graph() -> rw.HeteroGraph:
    rng = np.random.default_rng(0)
    u, i = rng.integers(0, 60, 500), rng.integers(0, 40, 500)
    a, b = rng.integers(0, 40, 300), rng.integers(0, 39, 300)  # item 39 has no neighbour here
    counts = {"user": 60, "item": 40}
    edges = {RATES: (u, i), RATED: (i, u), LIKE: (a, b)}
    return rw.HeteroGraph(counts, edges).remove_duplicate_edges()


def global_edges(sample, layer, relation):
    source, destination = sample.layers[layer].edges[relation]
    return sample.nodes[relation[0]][source], sample.nodes[relation[2]][destination]


@pytest.mark.parametrize("replace", [False, True])
def test_a_sample_has_as_many_edges_of_the_graph_as_the_fanout_says(graph, replace):
    sampler = rw.sampling.NeighborSampler(graph, [3, 5], replace=replace)

    sample = sampler.sample({"item": [39, 4, 7], "user": [1]}, seed=1)

    assert sample.nodes["item"][:3].tolist() == [39, 4, 7]
    assert sample.layers[1].destinations == {"user": 1, "item": 3}
    assert sample.layers[0].destinations == sample.layers[1].sources
    assert sample.layers[0].sources == {t: len(n) for t, n in sample.nodes.items()}
    for nodes in sample.nodes.values():
        assert len(np.unique(nodes)) == len(nodes)
    for layer, fanout in enumerate(sampler.fanouts):
        block = sample.layers[layer]
        for relation in graph.relations:
            source, destination = global_edges(sample, layer, relation)
            real = list(zip(*graph.edges(relation), strict=True))
            drawn = list(zip(source, destination, strict=True))
            assert set(drawn) <= set(real)
            assert replace or len(set(drawn)) == len(drawn)
            degree = np.bincount(graph.edges(relation)[1], minlength=60)
            computed = sample.nodes[relation[2]][: block.destinations[relation[2]]]
            wanted = np.where(degree > 0, fanout, 0) if replace else np.minimum(degree, fanout)
            got = np.bincount(block.edges[relation][1], minlength=block.destinations[relation[2]])
            np.testing.assert_array_equal(got, wanted[computed])


@pytest.mark.parametrize("replace", [False, True])
def test_every_neighbour_is_drawn_equally_often(graph, replace):
    sampler = rw.sampling.NeighborSampler(graph, [4], replace=replace)
    neighbors = graph.edges(RATES)[0][graph.edges(RATES)[1] == 3]
    steps = 4000

    draws = [global_edges(sampler.sample({"item": [3]}, step=s), 0, RATES)[0] for s in range(steps)]

    counts = np.bincount(np.concatenate(draws), minlength=60)[neighbors]
    share = 4 / len(neighbors)
    spread = np.sqrt(steps * share * (1 if replace else 1 - share))
    assert np.abs(counts - steps * share).max() < 4.5 * spread


def test_none_takes_all_neighbours(graph):
    sample = rw.sampling.NeighborSampler(graph, [None]).sample({"item": np.arange(40)})

    for relation in (RATES, LIKE):
        got = sorted(zip(*global_edges(sample, 0, relation), strict=True))
        assert got == sorted(zip(*graph.edges(relation), strict=True))
    assert len(sample.layers[0].edges[RATED][0]) == 0


def test_steps_differ_and_threads_do_not(graph):
    def drawn(threads, **draw):
        sampler = rw.sampling.NeighborSampler(graph, [2, 2], threads=threads)
        return pickle.dumps(sampler.sample({"item": np.arange(40)}, **draw))

    assert drawn(1, seed=5, step=2) == drawn(3, seed=5, step=2)
    assert drawn(1, seed=5, step=2) != drawn(1, seed=5, step=3)
    assert drawn(1, seed=5, step=2) != drawn(1, seed=6, step=2)


def test_callers_in_several_threads_get_their_own_samples(graph):
    sampler = rw.sampling.NeighborSampler(graph, [3, 3])
    expected = [pickle.dumps(sampler.sample({"item": np.arange(40)}, step=s)) for s in range(40)]

    with ThreadPoolExecutor(4) as pool:
        samples = pool.map(lambda s: sampler.sample({"item": np.arange(40)}, step=s), range(40))

    assert [pickle.dumps(sample) for sample in samples] == expected


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"graph": "graph"}, rw.DTypeError, "graph: got str"),
        ({"fanouts": [3, 0]}, rw.ConfigError, "fanouts: got 0, expected a whole number from 1"),
        ({"fanouts": [-1]}, rw.ConfigError, "fanouts: got -1"),
        ({"fanouts": [2.5]}, rw.ConfigError, "fanouts: got 2.5"),
        ({"fanouts": []}, rw.ConfigError, "fanouts: got none, expected one per layer"),
        ({"fanouts": 3}, rw.DTypeError, "fanouts: got a int"),
        ({"fanouts": "33"}, rw.DTypeError, "fanouts: got a str"),
        ({"fanouts": [None], "replace": True}, rw.ConfigError, "fanouts: got None with replace"),
        ({"replace": 1}, rw.ConfigError, "replace: got 1"),
        ({"threads": 0}, rw.ConfigError, "threads: got 0"),
    ],
)
def test_bad_samplers_are_refused(graph, arguments, error, message):
    given = {"graph": graph, "fanouts": [2], **arguments}

    with pytest.raises(error, match=f"NeighborSampler: {message}"):
        rw.sampling.NeighborSampler(given.pop("graph"), given.pop("fanouts"), **given)


@pytest.mark.parametrize(
    ("seeds", "error", "message"),
    [
        ({"item": [40]}, rw.IndexError, "seeds['item']: got 40 at position 0"),
        ({"item": [0, -1]}, rw.IndexError, "seeds['item']: got -1 at position 1"),
        ({"item": [3, 3]}, rw.GraphError, "node 3 of type item twice"),
        ({"shop": [0]}, rw.GraphError, "shop"),
        ({"item": [0.5]}, rw.DTypeError, "float64"),
        ({"item": [[0]]}, rw.ShapeError, "2 dimensions"),
        ([0], rw.DTypeError, "seeds: got a list"),
    ],
)
def test_bad_seeds_are_refused_and_leave_the_sampler_usable(graph, seeds, error, message):
    sampler = rw.sampling.NeighborSampler(graph, [2])

    with pytest.raises(error, match=re.escape(message)):
        sampler.sample(seeds)
    with pytest.raises(rw.ConfigError, match="step: got -1"):
        sampler.sample({}, step=-1)

    assert len(sampler.sample({"item": [3]}).layers) == 1


def test_pickle_says_what_to_do_instead(graph):
    with pytest.raises(rw.DTypeError, match="Pickle the graph"):
        pickle.dumps(rw.sampling.NeighborSampler(graph, [2]))


SEEDS = {"item": np.arange(40), "user": np.arange(0, 60, 2)}


def seeds_of(sample):
    last = sample.layers[-1].destinations
    return {t: nodes[: last[t]] for t, nodes in sample.nodes.items()}


def as_lists(sample):
    edges = [
        [[end.tolist() for end in layer.edges[r]] for r in layer.edges] for layer in sample.layers
    ]
    return {t: nodes.tolist() for t, nodes in sample.nodes.items()}, edges


@pytest.mark.parametrize("prefetch", [0, 1, 3, 100])
def test_an_epoch_has_every_seed_once_whatever_is_made_ahead(graph, prefetch):
    sampler = rw.sampling.NeighborSampler(graph, [3, 3])
    loader = rw.sampling.NeighborLoader(sampler, SEEDS, batch_size=16, prefetch=prefetch, seed=3)
    plain = rw.sampling.NeighborLoader(sampler, SEEDS, batch_size=16, prefetch=0, seed=3)

    samples = list(loader)

    assert len(samples) == len(loader) == 5
    for t in SEEDS:
        seen = np.concatenate([seeds_of(s)[t] for s in samples])
        np.testing.assert_array_equal(np.sort(seen), SEEDS[t])
    assert [as_lists(s) for s in samples] == [as_lists(s) for s in plain]


def test_every_epoch_has_another_order_and_other_neighbours(graph):
    sampler = rw.sampling.NeighborSampler(graph, [2])
    loader = rw.sampling.NeighborLoader(sampler, SEEDS, batch_size=70)

    first, second = next(iter(loader)), next(iter(loader))
    loader.epoch = 0
    again = next(iter(loader))

    assert as_lists(first) == as_lists(again)
    assert seeds_of(first)["item"].tolist() != seeds_of(second)["item"].tolist()
    node = 4
    drawn = []
    for sample in (first, second):
        source, destination = global_edges(sample, 0, LIKE)
        drawn.append(sorted(source[destination == node].tolist()))
    assert drawn[0] != drawn[1]


def test_without_shuffle_seeds_keep_their_order(graph):
    sampler = rw.sampling.NeighborSampler(graph, [2])
    seeds = {"item": [7, 3, 9], "user": [5, 1]}
    loader = rw.sampling.NeighborLoader(sampler, seeds, batch_size=4, shuffle=False)

    batches = [{t: n.tolist() for t, n in seeds_of(s).items()} for s in loader]

    assert batches == [{"user": [5, 1], "item": [7, 3]}, {"user": [], "item": [9]}]


def test_a_loader_that_is_left_early_ends_its_thread(graph):
    sampler = rw.sampling.NeighborSampler(graph, [2])

    for _ in rw.sampling.NeighborLoader(sampler, SEEDS, batch_size=1, prefetch=2):
        break

    assert not [t for t in threading.enumerate() if t.name.startswith("relweave-loader")]


def test_an_error_on_the_loaders_thread_is_raised_where_the_sample_is_wanted(graph, monkeypatch):
    sampler = rw.sampling.NeighborSampler(graph, [2])
    loader = rw.sampling.NeighborLoader(sampler, SEEDS, batch_size=20)
    real = sampler.sample

    def fail(seeds, *, seed, step):
        if step == 2:
            raise MemoryError("no room")
        return real(seeds, seed=seed, step=step)

    monkeypatch.setattr(sampler, "sample", fail)
    seen = []
    with pytest.raises(MemoryError, match="no room"):
        seen.extend(loader)

    assert len(seen) == 2


def test_a_loader_without_seeds_is_empty(graph):
    loader = rw.sampling.NeighborLoader(rw.sampling.NeighborSampler(graph, [2]), {}, batch_size=4)

    assert len(loader) == 0
    assert list(loader) == []


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"batch_size": 0}, rw.ConfigError, "batch_size"),
        ({"prefetch": -1}, rw.ConfigError, "prefetch"),
        ({"shuffle": 1}, rw.ConfigError, "shuffle"),
        ({"seed": -1}, rw.ConfigError, "seed"),
        ({"seeds": {"item": [40]}}, rw.IndexError, "seeds"),
        ({"seeds": {"item": [3, 4, 3]}}, rw.GraphError, "node 3 of type item twice"),
        ({"seeds": {"wine": [1]}}, rw.GraphError, "wine"),
        ({"sampler": "a"}, rw.DTypeError, "sampler"),
    ],
)
def test_what_a_loader_refuses(graph, change, error, text):
    arguments = {
        "sampler": rw.sampling.NeighborSampler(graph, [2]),
        "seeds": SEEDS,
        "batch_size": 4,
    } | change

    with pytest.raises(error, match=text):
        rw.sampling.NeighborLoader(**arguments)
