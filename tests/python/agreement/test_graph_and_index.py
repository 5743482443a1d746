"""Graphs against scipy, retrieval against faiss, files against the safetensors package."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import relweave as rw

DATA = Path(__file__).parents[2] / "data" / "graphs"


def small_model(seed: int = 0, **graph: object):
    """A fitted core model on a random log, with the log."""
    rng = np.random.default_rng(seed)
    users, items, events = 60, 25, 700
    user, item = rng.integers(0, users, events), rng.integers(0, items, events)
    time = rng.integers(0, 1_000_000, events)
    config = rw.Recommender(graph=graph, hgnn={"epochs": 1}, towers={"epochs": 1})
    log = {"user": user, "item": item, "time": time, "kind": np.where(item < 15, "a", "b")}
    catalog = rw.Catalog(
        {"item": np.arange(items), "kind": np.where(np.arange(items) < 15, "a", "b")},
        id="item",
        type="kind",
    )
    features = rng.normal(size=(items, 8)).astype(np.float32)
    events_log = rw.InteractionLog(log, user="user", item="item", time="time")
    config.fit(events_log, catalog, features=features, progress=False)
    return config, user, item, time


def links_of(model):
    """The undirected links of a fitted model: lower, upper, count, weight."""
    return dict(zip(("lower", "upper", "count", "weight"), model._model.links, strict=True))


def capped_matrix(user, item, time, cap):
    """Users x items, 1 for each of a user's `cap` most recent items."""
    order = np.lexsort((-item, -time, user))  # per user the most recent first, ties to higher ids
    kept: dict[int, list[int]] = {}
    for e in order:
        history = kept.setdefault(int(user[e]), [])
        if int(item[e]) not in history and len(history) < cap:
            history.append(int(item[e]))
    rows = [u for u, h in kept.items() for _ in h]
    cols = [i for h in kept.values() for i in h]
    return sp.csr_matrix((np.ones(len(rows)), (rows, cols)), (user.max() + 1, item.max() + 1))


@pytest.mark.parametrize("cap", [4, 50])
def test_all_links_equal_scipy(cap):
    model, user, item, time = small_model(max_history=cap, top_neighbors=0)
    matrix = capped_matrix(user, item, time, cap)
    counts = sp.triu(matrix.T @ matrix, k=1).tocoo()
    degree = np.asarray(matrix.sum(0)).ravel()

    links = links_of(model)

    expected = {(a, b): c for a, b, c in zip(counts.row, counts.col, counts.data, strict=True)}
    got = dict(zip(zip(links["lower"], links["upper"], strict=True), links["count"], strict=True))
    assert got == expected
    cosine = links["count"] / np.sqrt(degree[links["lower"]] * degree[links["upper"]])
    np.testing.assert_allclose(links["weight"], cosine, rtol=1e-6)


def test_top_neighbours_equal_a_sort():
    top = 3
    everything, *_ = small_model(top_neighbors=0)
    pruned, *_ = small_model(top_neighbors=top)
    links = links_of(everything)
    lower, upper, weight = links["lower"], links["upper"], links["weight"]
    kind = (np.arange(25) >= 15).astype(int)
    keep = np.zeros(len(lower), bool)
    for i in range(25):
        for k in (0, 1):
            mine = [e for e in range(len(lower)) if i in (lower[e], upper[e])]
            other = {e: upper[e] if lower[e] == i else lower[e] for e in mine}
            mine = [e for e in mine if kind[other[e]] == k]
            mine.sort(key=lambda e: (-weight[e], other[e]))
            keep[mine[:top]] = True

    got = links_of(pruned)

    assert list(zip(got["lower"], got["upper"], strict=True)) == list(
        zip(lower[keep], upper[keep], strict=True)
    )


@pytest.mark.parametrize("n", [5, 3000, 10_000])
def test_index_equals_faiss(n):
    import faiss

    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(n, 32)).astype(np.float32)
    queries = rng.normal(size=(50, 32)).astype(np.float32)
    theirs = faiss.IndexFlatIP(32)
    theirs.add(vectors)
    expected_scores, expected = theirs.search(queries, 10)

    ids, scores = rw.ExactIndex(vectors).search(queries, k=10)
    in_parts = rw.ExactIndex(vectors[:2])
    in_parts.add(vectors[2:])
    same_ids, same_scores = in_parts.search(queries, k=10)

    k = min(n, 10)
    np.testing.assert_array_equal(ids, same_ids)
    np.testing.assert_array_equal(scores, same_scores)
    np.testing.assert_array_equal(ids[:, :k], expected[:, :k])
    np.testing.assert_allclose(scores[:, :k], expected_scores[:, :k], atol=1e-5)
    assert (ids[:, k:] == -1).all()


def test_checkpoint_tensors_are_read_by_the_safetensors_package(tmp_path):
    from safetensors.numpy import load_file

    model, *_ = small_model()
    model.save(tmp_path / "model")

    tensors = load_file(tmp_path / "model" / "tensors.safetensors")

    np.testing.assert_array_equal(tensors["general_vectors"], model._model.general_vectors)
    np.testing.assert_array_equal(tensors["tower_vectors"], model._model.tower_vectors)
    assert tensors["towers.user.0.weight"].ndim == 2


def load_triples(name):
    """(subject, predicate, object) texts of one of the graphs."""
    if name == "FB15k-237":
        with tarfile.open(DATA / "FB15k-237.tar.gz") as tar:
            text = "".join(
                tar.extractfile(m).read().decode()  # type: ignore[union-attr]
                for m in tar.getmembers()
                if m.name.endswith(("train.txt", "valid.txt", "test.txt"))
                and not Path(m.name).name.startswith("._")
            )
        return [line.split("\t") for line in text.splitlines() if line]
    if name == "AIFB":
        with gzip.open(DATA / "aifb.nt.gz", "rt", encoding="utf-8") as lines:
            return [line.rstrip(" .\n").split(" ", 2) for line in lines if line.strip()]
    with gzip.open(DATA / "mutag_triples.tsv.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines if line.strip()]


@pytest.mark.parametrize("name", ["AIFB", "MUTAG", "FB15k-237"])
def test_relational_graphs_load(name):
    triples = load_triples(name)
    nodes, codes = np.unique([x for s, _, o in triples for x in (s, o)], return_inverse=True)
    ends = codes.reshape(-1, 2).astype(np.int32)
    names = np.array([p for _, p, _ in triples])
    predicates = np.unique(names)

    graph = rw.HeteroGraph(
        {"entity": len(nodes)},
        {
            ("entity", str(p), "entity"): (ends[names == p, 0], ends[names == p, 1])
            for p in predicates
        },
    )

    assert sum(graph.edge_count(r) for r in graph.relations) == len(triples)
    if name == "FB15k-237":
        assert (len(nodes), len(predicates), len(triples)) == (14_541, 237, 310_116)
    first = ("entity", str(predicates[0]), "entity")
    got = sorted(zip(*graph.edges(first), strict=True))
    assert got == sorted(map(tuple, ends[names == predicates[0]]))
    z = np.random.default_rng(0).normal(size=(len(nodes), 4)).astype(np.float32)
    out = rw.ops.relation_aggregate(graph, dst="entity", messages=dict.fromkeys(graph.relations, z))
    plain = rw.ops.relation_aggregate(
        graph, dst="entity", messages=dict.fromkeys(graph.relations, z), implementation="reference"
    )
    np.testing.assert_allclose(out, plain, atol=1e-4)
