"""bench/peers: each comparison on small inputs, and what tells results apart."""

import importlib
import json
import re
import sys
from dataclasses import replace as changed
from pathlib import Path

import numpy as np
import pytest

import relweave as rw

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))


@pytest.fixture
def one_thread():
    """PyTorch and faiss keep what a comparison sets."""
    import faiss
    import torch

    before = torch.get_num_threads(), faiss.omp_get_max_threads()
    yield 1
    torch.set_num_threads(before[0])
    faiss.omp_set_num_threads(before[1])


def test_dense_products_have_the_sizes_of_the_benchmark_and_agree_before_they_are_timed(
    monkeypatch, one_thread
):
    import dense_products

    source = (Path(dense_products.__file__).parents[1] / "ops" / "linear_bench.cpp").read_text()
    literal = re.search(r"Size sizes\[\] = \{(.+?)\};", source, re.DOTALL)
    listed = re.findall(r"\{([\d', ]+)\}", literal[1])
    sizes = [tuple(int(x) for x in size.replace("'", "").split(",")) for size in listed]
    assert sizes == dense_products.SIZES

    monkeypatch.setattr(dense_products, "SIZES", [(20, 30, 7)])
    monkeypatch.setattr(dense_products, "LEAST_SECONDS", 0.0)
    (found,) = dense_products.compare(threads=one_thread, repeats=1)

    assert found.agree
    assert found.name == "linear_20x30x7_vs_torch"
    assert found.ours_s > 0
    assert found.peer_s > 0
    assert len(found.details["runs"]["ours"]) == dense_products.ROUNDS


def test_dense_products_that_differ_do_not_agree():
    import dense_products

    expected = np.zeros((4, 3), np.float32)
    other = expected.copy()
    other[2, 1] = 1e-3

    assert dense_products.agree(expected, expected, 30)
    assert not dense_products.agree(other, expected, 30)
    assert not dense_products.agree(np.full_like(other, np.nan), expected, 30)
    assert not dense_products.agree(expected[:3], expected, 30)


SMALL_GRAPH = {"nodes": 60, "degree": 4, "width": 16}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("module", "sizes"),
    [
        ("hetero_layer", SMALL_GRAPH),
        ("relation_max", SMALL_GRAPH),
        ("gather", {"scale": 2e-4}),
        ("top_k", {"items": 5_000, "queries": 300, "width": 16}),
        ("sampler", {"nodes": 80, "degree": 15, "seeds": 20}),
    ],
)
def test_a_comparison_checks_then_times_both(module, sizes, one_thread, monkeypatch):
    group = importlib.import_module(module)
    monkeypatch.setattr("sampler.LEAST_SECONDS", 0.0)

    found = group.compare(one_thread, 1, **sizes)

    assert tuple(c.name for c in found) == group.NAMES
    for comparison in found:
        entry = comparison.to_dict()
        assert entry["agree"]
        assert entry["threads"] == 1
        assert entry["ratio"] == pytest.approx(entry["peer_s"] / entry["ours_s"])
        assert len(entry["details"]["runs"]["ours"]) == len(entry["details"]["runs"]["peer"]) > 0
        json.dumps(entry)


@pytest.mark.parametrize("module", ["graph_build", "graph_join"])
def test_item_graphs_of_peers_are_the_same_to_the_bit(module, one_thread):
    group = importlib.import_module(module)

    found = group.compare(one_thread, 1, users=300, events=6_000)

    assert tuple(c.name for c in found) == group.NAMES
    for comparison in found:
        entry = comparison.to_dict()
        assert entry["agree"]
        assert entry["details"]["links"] > 5_000
        held, peak = entry["details"]["held_mib"], entry["details"]["peak_mib"]
        assert all(peak[who] > held[who] > 10 for who in ("ours", "peer"))
        json.dumps(entry)


def test_item_graphs_that_differ_do_not_agree(tmp_path):
    from graph_build import same_links

    links = {"lower": np.array([0, 1]), "weight": np.array([0.5, 0.25], np.float32)}
    other = {**links, "weight": np.nextafter(links["weight"], np.float32(1))}
    np.savez(tmp_path / "links.npz", **links)
    np.savez(tmp_path / "other.npz", **other)

    assert same_links(tmp_path / "links.npz", tmp_path / "links.npz")
    assert not same_links(tmp_path / "links.npz", tmp_path / "other.npz")


def test_item_graphs_of_peers_that_are_not_installed_are_skipped(monkeypatch):
    import graph_join

    cases = tuple(changed(case, needs=("no_such_package",)) for case in graph_join.CASES)
    monkeypatch.setattr(graph_join, "CASES", cases)

    found = graph_join.compare(1, 1)

    assert [c.name for c in found] == list(graph_join.NAMES)
    assert all(c.skipped.startswith("no_such_package not installed") for c in found)


@pytest.mark.filterwarnings("ignore:Method expects CSR input")  # of implicit to itself
def test_classical_fits_have_the_neighbors_of_implicit(one_thread, monkeypatch):
    import baseline_fits

    monkeypatch.setattr(baseline_fits, "LEAST_SECONDS", 0.0)

    found = baseline_fits.compare(one_thread, 1, users=800, epochs=1)

    assert tuple(c.name for c in found) == baseline_fits.NAMES
    for comparison in found:
        entry = comparison.to_dict()
        assert entry["agree"]
        assert min(entry["ours_s"], entry["peer_s"]) > 0
        json.dumps(entry)


def test_similarities_that_differ_do_not_agree():
    from baseline_fits import same_neighbors

    kept = np.array([[0, 0.9, 0.5, 0], [0.9, 0, 0.7, 0]])
    rounded = kept * (1 + 1e-7)
    tied = np.array([[0, 0.9, 0, 0.5], [0.9, 0, 0.7, 0]])
    weaker = np.array([[0, 0.9, 0, 0.4], [0.9, 0, 0.7, 0]])
    fewer = np.array([[0, 0.9, 0, 0], [0.9, 0, 0.7, 0]])

    assert same_neighbors(kept, rounded)
    assert same_neighbors(kept, tied)
    for other in (weaker, fewer, kept * 1.001, kept * np.nan):
        assert not same_neighbors(kept, other)


def test_every_comparison_of_the_suite_has_a_name_of_its_own():
    from run import SUITES

    names = [name for group in SUITES["cpu"].values() for name in group.NAMES]

    assert len(set(names)) == len(names)
    assert {
        *("training_vs_torch", "hgnn_epoch_vs_torch", "two_tower_epoch_vs_torch"),
        *("hetero_max_forward_vs_pyg", "hetero_max_forward_backward_vs_pyg"),
        *("relation_max_vs_torch_sparse", "relation_max_forward_backward_vs_torch_sparse"),
        *("gather_bandwidth_share", "top_k_vs_faiss", "sampler_vs_numpy"),
        *("graph_build_vs_scipy", "graph_build_vs_duckdb", "graph_build_xwines_vs_pandas"),
        *("item_cosine_fit_vs_implicit", "bm25_fit_vs_implicit", "two_tower_fit_beside_als"),
    } <= set(names)


def test_rounds_wait_for_processors_that_share_a_cache(monkeypatch):
    import comparison

    looks, naps = iter([3e-7, 3e-7, 5e-8, 5e-8, 3e-7, 5e-8]), []
    monkeypatch.setattr(rw.bench, "round_trip", lambda: next(looks))
    monkeypatch.setattr(comparison.time, "sleep", naps.append)

    comparison.in_turns(lambda: None, lambda: None, 2, threads=2)

    assert naps.count(1) == 3
    assert next(looks, None) is None
    comparison.in_turns(lambda: None, lambda: None, 2, threads=1)  # one thread hands nothing over


def test_rounds_do_not_wait_for_ever(monkeypatch):
    import comparison

    naps = []
    monkeypatch.setattr(rw.bench, "round_trip", lambda: 3e-7)
    monkeypatch.setattr(comparison.time, "sleep", naps.append)

    comparison.in_turns(lambda: None, lambda: None, 3, threads=2)

    assert naps.count(1) == comparison.PATIENCE


def test_layers_that_differ_do_not_agree():
    import torch

    from hetero_layer import close

    value = np.ones((3, 2), np.float32)

    assert close({"a": value}, {"a": torch.ones(3, 2)})
    assert not close({"a": value}, {"a": torch.ones(3, 2) * 1.001})
    assert not close({"a": value}, {"b": torch.ones(3, 2)})
    assert not close({"a": value * np.nan}, {"a": torch.ones(3, 2)})
    one_apart = torch.tensor([[1.0, 1.0], [1.0, 2.0], [1.0, 1.0]])
    assert close({"a": value}, {"a": one_apart}, apart=0.2)
    assert not close({"a": value}, {"a": one_apart}, apart=0.1)


def test_rankings_may_differ_only_where_scores_do_not():
    from top_k import same_where_scores_differ

    ids = np.array([[3, 1]])
    scores = np.array([[0.9, 0.5]])
    longer = np.array([[0.9, 0.5, 0.4]])
    tied = np.array([[0.9, 0.5, 0.5]])

    assert same_where_scores_differ(ids, scores, (longer, np.array([[3, 1, 2]])))
    assert same_where_scores_differ(ids, scores, (tied, np.array([[3, 2, 1]])))
    assert not same_where_scores_differ(ids, scores, (longer, np.array([[3, 2, 1]])))
    assert not same_where_scores_differ(ids, scores - 0.1, (longer, np.array([[3, 1, 2]])))


@pytest.mark.parametrize("replace", [False, True])
def test_samples_against_the_law_are_found(replace):
    from sampler import lawful

    graph = rw.bench.uniform_graph(40, 8)
    sample = rw.sampling.NeighborSampler(graph, [3], replace=replace).sample({"a": np.arange(9)})
    relation = graph.relations_into("a")[0]

    def with_edges(source, destination):
        layer = sample.layers[0]
        edges = {**layer.edges, relation: (source, destination)}
        return changed(sample, layers=(changed(layer, edges=edges),))

    source, destination = sample.layers[0].edges[relation]
    neighbors = graph.edges(relation)
    stranger = np.setdiff1d(
        sample.nodes[relation[0]], neighbors[0][neighbors[1] == sample.nodes["a"][destination[0]]]
    )[0]
    moved = source.copy()
    moved[0] = np.flatnonzero(sample.nodes[relation[0]] == stranger)[0]

    assert lawful(graph, with_edges(source, destination), [3], replace)
    assert not lawful(graph, with_edges(source[1:], destination[1:]), [3], replace)
    assert not lawful(graph, with_edges(moved, destination), [3], replace)
    assert lawful(graph, sample, [3], replace)
    if not replace:
        twice = source.copy()
        twice[:3] = source[0]
        assert not lawful(graph, with_edges(twice, destination), [3], replace)


def test_epochs_come_out_of_the_runs_of_whole_trainings(monkeypatch, one_thread):
    import epochs
    import training

    def program(script, arguments):
        ours = script == "relweave_two_tower_hgnn.py"
        epochs = {"hgnn_epoch": 0.5, "towers_epoch": 1.0}
        if not ours:
            epochs = {"hgnn_epoch": 2.0, "2thgnn_epoch": 3.0}
        whole = {"train": 10.0, "graph": 1.0, "hgnn_total": 20.0, "2thgnn_total": 9.0}
        return {
            "stage": {**epochs, **whole, "train_peak_mib": 100.0 if ours else 400.0},
            "operations": {"hgnn": 10**9, "towers": 2 * 10**9},
            "metrics": {"2thgnn": {"warm": {"hr": 0.4, "ndcg": 0.2, "mrr": 0.2}}},
        }

    monkeypatch.setattr(training, "run_program", program)
    monkeypatch.setattr(epochs, "SIZE", 64)
    monkeypatch.setattr(epochs, "dense_peak", lambda *_: 4e9)
    training.runs.cache_clear()

    (whole,) = training.compare(one_thread, 2)
    hgnn, towers = epochs.compare(one_thread, 2)
    training.runs.cache_clear()

    assert (whole.ratio, hgnn.ratio, towers.ratio) == (3.0, 4.0, 3.0)
    assert whole.agree
    assert whole.details["memory_ratio"] == 0.25
    assert hgnn.details["dense_share"] == pytest.approx(0.5)
    assert towers.details["dense_share"] == pytest.approx(0.5)


def test_the_dense_peak_is_a_rate(one_thread):
    from epochs import dense_peak

    assert 1e7 < dense_peak(one_thread, 1, size=128) < 1e14


def test_operations_of_dense_layers_are_counted_by_hand():
    from dense_work import layers

    assert layers(10, [3, 4]) == 2 * 2 * 10 * 3 * 4
    assert layers(10, [3, 4, 5]) == 2 * 2 * 10 * 3 * 4 + 3 * 2 * 10 * 4 * 5


def test_the_peak_of_a_program_is_its_own():
    from comparison import run_program

    held = np.ones(60_000_000)  # 458 MiB of this process

    peak = run_program("top_k_memory.py", ["ours", 1_000, 8, 1])["peak_mib"]

    assert held.size
    assert 10 < peak < 400
