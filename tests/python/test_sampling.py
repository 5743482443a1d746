"""Neighbour sampling: what it draws, what it refuses."""

import pickle
import re
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
