"""What notebooks show: well-formed, escaped, and with the numbers that matter."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import SMALL

import relweave as rw
from relweave._summary import Summary

EVIL = "<b>&\"'"
CELLS = ("td", "th", "caption")
VOID = ("meta", "img")
RATES = ("user", EVIL, "item")


class Page(HTMLParser):
    """The cells of all tables and other texts; fails where a tag is not closed in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.texts: list[str] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if tag in CELLS:
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in CELLS:
            self.cells[-1] += data
        elif data.strip() and self.open[-1] != "style":
            self.texts.append(data)


@pytest.fixture(scope="module")
def shown(tiny):
    """One object of every class that notebooks show, all of them made from evil names."""
    ids = [EVIL, *tiny.items["item"][1:]]
    kinds = [EVIL, *tiny.items["kind"][1:]]
    events = {**tiny.events, "item": [EVIL if i == "i0" else i for i in tiny.events["item"]]}
    catalog = rw.Catalog({EVIL: ids, "kind": kinds}, id=EVIL, type="kind")
    log = rw.InteractionLog(events, user="user", item="item", time="time", signal="signal")
    train, test = log.split_by_time(test_fraction=0.2)
    model = rw.Recommender(seed=3, hgnn={"epochs": 1}, towers={**SMALL["towers"], "epochs": 1})
    model.fit(train, catalog, features=tiny.vectors, progress=False)
    report = rw.evaluate(model, test, name=EVIL)
    popular = rw.evaluate(rw.baselines.Popularity().fit(train, catalog), test)
    graph = rw.HeteroGraph({"user": 3, "item": 2}, {RATES: ([0, 1, 2], [0, 0, 1])})
    unseen = rw.Recommender(seed=3, use_hgnn=False, towers={"epochs": 0})
    unseen.fit(train.select(train.item_codes > 0), catalog, features=tiny.vectors, progress=False)
    things = (
        *(catalog, log, log.report(), graph, graph.report(), model.graph_, model.graph_.report()),
        *(model, model.fit_report_, model.history_["towers"], report),
        rw.compare([report, popular]),
    )
    return {type(thing).__name__: thing for thing in things} | {"unseen": unseen.fit_report_}


def shows_html(thing: object) -> bool:
    return isinstance(thing, type) and hasattr(thing, "_repr_html_")


CLASSES = [name for name in rw.__all__ if shows_html(getattr(rw, name))]


@pytest.mark.parametrize("name", CLASSES)
def test_what_notebooks_show_is_well_formed_and_escaped(name, shown):
    page = Page(shown[name]._repr_html_())

    assert page.tags <= {"style", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert page.cells
    assert not page.texts


@pytest.mark.parametrize("name", ["Catalog", "HeteroGraph", "GraphReport", "Report", "Comparison"])
def test_names_are_shown_as_they_are(name, shown):
    page = Page(shown[name]._repr_html_())

    assert any(EVIL in cell for cell in page.cells)


def test_types_without_events_are_named(shown):
    page = Page(shown["unseen"]._repr_html_())

    assert EVIL in page.cells


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("Catalog", lambda c: np.diff(c.type_offsets)),
        ("InteractionLog", lambda g: [len(g), len(g.users), len(g.items)]),
        ("LogReport", lambda r: [r.events, r.users, r.items, r.repeats, r.most_events]),
        ("HeteroGraph", lambda _: [3, 2]),
        ("GraphReport", lambda r: [r.nodes, r.edges, r.memory_bytes]),
        ("CoInteractionGraph", lambda g: [len(g), len(g.item_ids)]),
        ("CoInteractionReport", lambda r: [r.events, r.pairs, r.links_found, r.links]),
        ("Recommender", lambda m: [len(m.user_ids_), len(m.item_ids_), len(m.graph_)]),
        ("FitReport", lambda r: [r.events, r.users, r.items, r.links]),
        ("TrainingHistory", lambda h: [len(h.epochs), h.epochs[0].examples]),
    ],
)
def test_the_counts_that_matter_are_shown(name, numbers, shown):
    page = Page(shown[name]._repr_html_())

    for number in numbers(shown[name]):
        assert f"{number:,}" in page.cells


@pytest.mark.parametrize("name", ["Report", "Comparison"])
def test_the_metrics_are_shown(name, shown):
    page = Page(shown[name]._repr_html_())

    warm = shown["Report"].slices["warm"]
    for metric, title in (("hr", "HR@10"), ("recall", "recall@10"), ("ndcg", "NDCG@10")):
        assert title in page.cells
        assert f"{warm[metric]:.4f}" in page.cells


def test_differences_are_shown_with_their_interval(shown):
    page = Page(shown["Comparison"]._repr_html_())

    (gap,) = shown["Comparison"].differences.values()
    for value in ("difference", "low", "high"):
        assert f"{gap[value]:.4f}" in page.cells


def test_a_model_before_fit_says_so():
    page = Page(rw.Recommender()._repr_html_())

    assert page.cells == ["Recommender()", "state", "not fitted"]


def test_a_summary_page_is_well_formed_and_escaped(shown, tmp_path):
    summary = Summary(EVIL)
    summary.heading(EVIL)
    summary.paragraph(EVIL)
    summary.tables(shown["Catalog"]._repr_html_(), shown["Report"]._repr_html_())

    summary.write(tmp_path / "page.html")

    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "b" not in page.tags
    assert page.texts == [EVIL] * 4  # in the window's title too
    assert EVIL in page.cells
