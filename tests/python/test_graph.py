"""Schemas, transforms and reports of heterogeneous graphs, against NumPy and sets."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import relweave as rw

RATES, RATED, CO = ("user", "rates", "item"), ("item", "rated", "user"), ("item", "co", "item")


@pytest.fixture
def graph():
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 12, 60), rng.integers(0, 9, 60)
    a, b = rng.integers(0, 9, 40), rng.integers(0, 9, 40)
    weights = rng.random(40).astype(np.float32)
    return rw.HeteroGraph({"user": 14, "item": 10}, {RATES: (user, item), CO: (a, b, weights)})


def weighted_edges(graph, relation):
    """(source, destination, weight) as a multiset."""
    source, destination = (ends.tolist() for ends in graph.edges(relation))
    weights = graph.weights(relation)
    values = [1.0] * len(source) if weights is None else weights.tolist()
    return Counter(zip(source, destination, values, strict=True))


def test_schemas_compare_by_names(graph):
    same = rw.Schema(["user", "item"], [RATES, list(CO)])

    assert graph.schema == same
    assert hash(graph.schema) == hash(same)
    assert graph.schema != rw.Schema(["user", "item"], [CO, RATES])
    assert repr(same) == (
        "Schema(node_types=('user', 'item'), relations=(('user', 'rates', 'item'), "
        "('item', 'co', 'item')))"
    )
    assert same.relations_into("item") == (RATES, CO)
    assert same.relations_into("user") == ()


@pytest.mark.parametrize(
    ("types", "relations", "message"),
    [
        (["a", "a"], [], "'a' twice"),
        (["a", ""], [], "empty name"),
        (["a"], [("a", "x", "b")], "types among a"),
        (["a"], [("a", "x")], "types among a"),
        (["a"], [("a", "", "a")], "empty name"),
        (["a"], [("a", "x", "a"), ("a", "x", "a")], "a__x__a twice"),
    ],
)
def test_schemas_that_contradict_themselves_are_refused(types, relations, message):
    with pytest.raises(rw.GraphError, match=message):
        rw.Schema(types, relations)


def test_reverse_relations(graph):
    named = graph.add_reverse({RATES: "rated"})
    both = graph.add_reverse("_back")

    assert named.relations == (RATES, CO, RATED)
    assert named.node_counts == graph.node_counts
    assert both.relations == (
        RATES,
        CO,
        ("item", "rates_back", "user"),
        ("item", "co_back", "item"),
    )
    for relation, name in ((RATES, "rates_back"), (CO, "co_back")):
        flipped = {(d, s, w): n for (s, d, w), n in weighted_edges(graph, relation).items()}
        assert weighted_edges(both, (relation[2], name, relation[0])) == flipped
        assert weighted_edges(both, relation) == weighted_edges(graph, relation)
    with pytest.raises(rw.GraphError, match="twice"):
        graph.add_reverse({CO: "co"})
    with pytest.raises(rw.GraphError, match="got relation"):
        graph.add_reverse({RATED: "x"})


@pytest.mark.parametrize(("weight", "combine"), [("sum", sum), ("max", max)])
def test_duplicates(graph, weight, combine):
    kept = graph.remove_duplicate_edges(weight)

    for relation in graph.relations:
        groups: dict[tuple[int, int], list[float]] = {}
        for (s, d, w), n in weighted_edges(graph, relation).items():
            groups.setdefault((s, d), []).extend([w] * n)
        got = weighted_edges(kept, relation)
        assert len(got) == len(groups)
        for s, d, w in got:
            expected = 1.0 if relation == RATES else combine(groups[s, d])
            assert w == pytest.approx(expected, rel=1e-6)
    with pytest.raises(rw.ConfigError, match="weight: got 'mean'"):
        graph.remove_duplicate_edges("mean")


def test_self_loops(graph):
    kept = graph.remove_self_loops()

    assert weighted_edges(kept, RATES) == weighted_edges(graph, RATES)
    expected = {e: n for e, n in weighted_edges(graph, CO).items() if e[0] != e[1]}
    assert weighted_edges(kept, CO) == expected
    assert len(expected) < len(weighted_edges(graph, CO))


def test_subgraphs(graph):
    nodes = {"user": [5, 0, 11], "item": np.array([3, 1, 8, 2])}

    part = graph.induced_subgraph(nodes)

    assert part.node_counts == {"user": 3, "item": 4}
    for relation in graph.relations:
        source, destination = list(nodes[relation[0]]), list(nodes[relation[2]])
        expected = {
            (source.index(s), destination.index(d), w): n
            for (s, d, w), n in weighted_edges(graph, relation).items()
            if s in source and d in destination
        }
        assert weighted_edges(part, relation) == expected
    with pytest.raises(rw.GraphError, match="nodes: got types"):
        graph.induced_subgraph({"user": [0]})
    with pytest.raises(rw.GraphError, match="twice"):
        graph.induced_subgraph({"user": [0, 0], "item": []})
    with pytest.raises(rw.IndexError, match=r"nodes\['item'\]: got 10 at position 1"):
        graph.induced_subgraph({"user": [], "item": [0, 10]})


def test_the_strongest_neighbours(graph):
    kept = graph.top_neighbors(2)

    all_edges, got = weighted_edges(graph, CO), weighted_edges(kept, CO)
    for destination in range(10):
        mine = sorted(
            (w for (_, d, w), n in all_edges.items() for _ in range(n) if d == destination)
        )
        assert sorted(w for (_, d, w) in got.elements() if d == destination) == mine[-2:]
    with pytest.raises(rw.ConfigError, match="k: got 0"):
        graph.top_neighbors(0)


def test_the_report_counts(graph):
    report = graph.add_reverse({RATES: "rates"}).report()

    source, destination = graph.edges(CO)
    pairs = Counter(zip(source.tolist(), destination.tolist(), strict=True))
    into = np.bincount(destination, minlength=10)
    co = report.relations[1]
    assert (report.nodes, report.edges, co.relation, co.edges) == (24, 160, CO, 40)
    assert co.duplicates == 40 - len(pairs)
    assert co.self_loops == int((source == destination).sum())
    assert co.weighted
    assert (co.incoming.max, co.incoming.mean) == (into.max(), into.mean())
    assert co.incoming.quantiles[0] == np.sort(into)[4]
    assert co.incoming.isolated_share == pytest.approx((into == 0).mean())
    assert co.reciprocity == np.mean([(d, s) in pairs for s, d in pairs.elements()])
    assert report.relations[0].reciprocity == 1
    users = np.bincount(graph.edges(RATES)[0], minlength=14)
    assert report.node_types[0].isolated_share == pytest.approx((users == 0).mean())
    assert report.memory_bytes > 0
    assert report.to_dict()["relations"][1]["outgoing"]["max"] == np.bincount(source).max()


def test_reports_and_graphs_are_shown(graph):
    text, page = str(graph.report()), graph.report()._repr_html_()

    for shown in (text, page):
        assert "item co item" in shown
        assert "self loops" in shown
    assert repr(graph) == "HeteroGraph(14 user, 10 item; 2 relations, 100 edges)"
    assert "user rates item" in graph._repr_html_()
    rates = next(line for line in text.splitlines() if line.startswith("user rates item"))
    assert rates.endswith(" -")  # there is no reverse relation
    empty = rw.HeteroGraph({"a": 0}, {})
    assert "0" in str(empty.report())
    assert "<table" in empty._repr_html_()


def test_the_same_graph_for_any_number_of_threads(graph):
    one, more = (graph.remove_duplicate_edges(threads=t).report(threads=t) for t in (1, 3))

    assert one == more


def test_a_network_takes_a_schema_or_what_has_one(graph):
    features = {"user": 3, "item": 2}
    x = {"user": np.ones((14, 3), "f4"), "item": np.ones((10, 2), "f4")}
    of_schema = rw.nn.HeteroSAGE(graph.schema, features, hidden=4)
    of_graph = rw.nn.HeteroSAGE(graph, features, hidden=4)

    np.testing.assert_array_equal(of_schema(graph, x)["item"], of_graph(graph, x)["item"])
    assert of_schema.schema == graph.schema
    part = graph.induced_subgraph({"user": [0], "item": [1, 2]})
    smaller = {"user": np.ones((1, 3), "f4"), "item": np.ones((2, 2), "f4")}
    assert of_schema(part, smaller)["item"].shape == (2, 4)
    with pytest.raises(rw.GraphError, match="another schema"):
        of_schema(graph.add_reverse(), x)
    with pytest.raises(rw.ConfigError, match="in_features"):
        rw.nn.HeteroSAGE(graph.schema, {"user": 3})
    with pytest.raises(rw.ConfigError, match="schema: got 'user'"):
        rw.nn.HeteroSAGE("user", {"user": 3})


def test_a_network_reads_the_graph_of_each_call():
    x = {"user": np.eye(14, 3, dtype="f4"), "item": np.ones((10, 2), "f4")}
    sizes = {"user": 14, "item": 10}
    relation = ("user", "rates", "item")
    few, others = (
        rw.HeteroGraph(sizes, {relation: (np.array(users), np.array([4, 5]))})
        for users in ([0, 1], [2, 1])
    )
    features = {"user": 3, "item": 2}
    one_for_all = rw.nn.HeteroSAGE(few.schema, features, hidden=4)

    got = [one_for_all(g, x)["item"].copy() for g in (few, others, few)]
    grads = one_for_all.backward({"user": np.ones((14, 4), "f4"), "item": np.ones((10, 4), "f4")})

    for graph, out in zip((few, others, few), got, strict=True):
        fresh = rw.nn.HeteroSAGE(few.schema, features, hidden=4)
        np.testing.assert_array_equal(out, fresh(graph, x)["item"])
    assert not np.array_equal(got[0], got[1])
    assert grads["user"].shape == (14, 3)
