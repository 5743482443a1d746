"""The whole pipeline on real data, told step by step: `relweave quickstart`."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, _html, baselines, plot
from ._files import path_of
from ._frames import Array
from ._summary import Summary, write_bytes, write_text
from .catalog import Catalog
from .config import device_number
from .datasets import XWines, load_xwines
from .evaluation import Comparison, Scorer, compare, evaluate
from .index import ExactIndex
from .log import InteractionLog
from .progress import TITLES, ProgressArgument
from .recommender import Recommender
from .text import PrecomputedVectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["run"]

Say = Callable[[str], Any]
Table = tuple[list[str], list[list[Any]]]  # head and rows

_MODELS = (
    "Every model ranks the whole catalogue for every user of the test part. 2T-HGNN is the whole "
    "model; 2T alone lacks the graph, HGNN alone the towers."
)
_SLICES = (
    "2T-HGNN by kind of user and item. Warm users have a history, cold ones none. Same and cross "
    "type: rankings inside a type of wine that the user did or did not touch before. Head, middle "
    "and tail: the tenth of the wines with most ratings, the next four tenths, the rest."
)


def _print(line: str) -> None:
    code = getattr(sys.stdout, "encoding", None) or "utf-8"  # some lack the letters of a wine
    line = line.encode(code, errors="replace").decode(code)
    print(line, flush=True)  # in step with the bars, which go to the standard error


def run(
    out: str | Path = "relweave-quickstart",
    *,
    seed: int = 0,
    threads: int | None = None,
    device: str = "cpu",
    progress: ProgressArgument = True,
    say: Say = _print,
) -> Comparison:
    """Load, train, evaluate, recommend, and write plots, a summary and the model below `out`.

    Parameters
    ----------
    out : path
        Receives summary.html, comparison.json, model/ and, where matplotlib is installed, *.png.
    seed, threads, device, progress
        As in `Recommender` and its `fit`.
    say : function
        Takes the lines to print.

    Returns
    -------
    Comparison
        All models on the same test users.
    """
    start = time.perf_counter()
    device_number(device, "quickstart")
    folder = Path(out)
    _core.expect_checkpoint_place(path_of(folder / "model", "quickstart", "folder"))
    page = Summary("relweave quick start: X-Wines")
    pictures = _Pictures(page, folder)

    data = load_xwines()
    train, test = data.split()
    new_wine = _rated_in_test_only(data, train, test)
    catalog = _catalog(data, ~new_wine)
    vectors = data.vectors[~new_wine]
    page.heading("Data")
    _tell_data(say, page, data, train, test, str(data.items["title"][new_wine][0]))

    say("Training item graph, HGNN and two towers")
    model = Recommender(seed=seed, threads=threads, device=device)
    model.fit(train, catalog, features=vectors, progress=progress)
    graph = model.graph_
    seconds = (f"{TITLES[n]} {h.seconds:.1f} s" for n, h in model.history_.items())
    say(f"{len(graph):,} links between {len(catalog):,} wines; {', '.join(seconds)}\n")
    page.heading("Item graph and training")
    page.tables(graph.report()._repr_html_())
    pictures.draw("degrees", lambda ax: plot.degree_distribution(graph, ax))
    pictures.draw("relations", lambda ax: plot.relation_heatmap(graph, ax))
    pictures.draw("training", lambda ax: plot.training_curves(model.history_, ax))

    say("Training two towers alone, to compare with")
    towers = Recommender(seed=seed, threads=threads, device=device, use_hgnn=False)
    towers.fit(train, catalog, features=vectors, progress=progress)

    say("\nEvaluating on the test part")
    result = _evaluate(model, towers, train, catalog, vectors, test)
    page.heading("Quality")
    _say_wrapped(say, _MODELS)
    say(f"\n{result}\n")
    page.paragraph(_MODELS)
    page.tables(result._repr_html_())
    pictures.draw("metrics", lambda ax: plot.metric_bars(result, ax=ax))
    _say_wrapped(say, _SLICES)
    say(f"\n{result.reports[-1].table()}\n")
    page.paragraph(_SLICES)
    page.tables(result.reports[-1]._repr_html_())

    page.heading("Recommendations")
    for told, answer in _examples(model, data, train, result, new_wine):
        _say_wrapped(say, told)
        say(f"{_html.text_table(*answer)}\n")
        page.paragraph(told)
        page.tables(_html.table(*answer))
    kinds = [model.type_names_[t] for t in model.item_types_]
    page.heading("Item vectors")
    pictures.draw("map", lambda ax: plot.embedding_map(model.item_vectors_, kinds, ax))

    model.save(folder / "model")
    page.write(folder / "summary.html")
    write_text(folder / "comparison.json", json.dumps(result.to_dict(), indent=2) + "\n")
    if not pictures.names:
        say("No pictures: matplotlib is not installed (pip install 'relweave[plot]')")
    say(f"Done after {time.perf_counter() - start:.0f} s. Written:")
    for file in ["summary.html", "comparison.json", "model", *pictures.names]:
        say(f"  {folder / file}")
    say(f"Use the model: relweave.load({str(folder / 'model')!r}).recommend(...)")
    return result


class _Pictures:
    """Pictures as files and in the page; none where matplotlib is not installed."""

    def __init__(self, page: Summary, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.names: list[str] = []

    def draw(self, name: str, function: Callable[[Axes], Axes]) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return
        figure = Figure(figsize=(7, 5), layout="constrained")
        title = function(figure.add_subplot()).get_title()
        write_bytes(
            self.folder / f"{name}.png",
            lambda stream: figure.savefig(stream, format="png", dpi=130),
        )
        self.page.figure(figure, title)
        self.names.append(f"{name}.png")


def _say_wrapped(say: Say, text: str) -> None:
    say(textwrap.fill(text, 80))


def _tell_data(
    say: Say, page: Summary, data: XWines, train: InteractionLog, test: InteractionLog, name: str
) -> None:
    wines, types = data.items["wine"], data.catalog()
    head = ["type", "wines"]
    rows = list(zip(types.type_names, np.diff(types.type_offsets).tolist(), strict=True))
    parts = (
        ["part", "ratings", "users", "wines rated", "days"],
        [
            [part, report.events, report.users, report.items, f"{report.first} to {report.last}"]
            for part, report in (("training", train.report()), ("test", test.report()))
        ],
    )
    for text in (
        f"X-Wines: {len(data.events['wine']):,} ratings of {len(wines):,} wines. A rating of 4 and "
        "more is a strong signal, a lower one a weak one.",
        f"One wine, {name}, was first rated in the test period. It plays the brand-new wine: the "
        f"models know the other {len(wines) - 1:,}.",
    ):
        _say_wrapped(say, text)
        page.paragraph(text)
    say(f"\n{_html.text_table(head, rows)}\n\n{_html.text_table(*parts)}")
    say(f"\nThe training part:\n{train.report()}\n")
    page.tables(_html.table(head, rows), train.report()._repr_html_())
    page.tables(_html.table(*parts))


def _rated_in_test_only(data: XWines, train: InteractionLog, test: InteractionLog) -> Array:
    """Return a mask with one wine that was rated in the test period only.

    Leaving it out is true to life and changes nothing of the training.
    """
    wines = data.items["wine"]
    fresh = ~np.isin(wines, train.items) & np.isin(wines, test.items)
    mask = np.zeros(len(wines), dtype=bool)
    mask[np.flatnonzero(fresh)[0]] = True
    return mask


def _catalog(data: XWines, rows: Array) -> Catalog:
    items = {name: column[rows] for name, column in data.items.items()}
    return Catalog(items, id="wine", type="type", text=["title", "text"])


def _evaluate(
    model: Recommender,
    towers: Recommender,
    train: InteractionLog,
    catalog: Catalog,
    vectors: Array,
    test: InteractionLog,
) -> Comparison:
    general = PrecomputedVectors(model.item_ids_, model.general_vectors_, id="hgnn")
    scorers: dict[str, Scorer] = {
        "popularity": baselines.Popularity().fit(train, catalog),
        "text kNN": baselines.TextKNN().fit(train, catalog, vectors),
        "item kNN (cosine)": baselines.ItemKNN().fit(train, catalog),
        "HGNN alone": baselines.VectorKNN().fit(train, catalog, general),
        "2T alone": towers,
        "2T-HGNN": model,
    }
    return compare([evaluate(scorer, test, name=name) for name, scorer in scorers.items()])


def _examples(
    model: Recommender,
    data: XWines,
    train: InteractionLog,
    result: Comparison,
    new_wine: Array,
) -> list[tuple[str, Table]]:
    """Return readable answers for a warm user, a cold user and a wine that was never rated."""
    wines = data.items["wine"].tolist()
    titles = dict(zip(wines, data.items["title"].tolist(), strict=True))
    types = dict(zip(wines, data.items["type"].tolist(), strict=True))

    def shown(ids: Array, scores: Array) -> Table:
        rows = [
            [titles[wine], types[wine], score]
            for wine, score in zip(ids.tolist(), scores.tolist(), strict=True)
        ]
        return ["wine", "type", "score"], rows

    report = result.reports[-1]
    warm = report.user_ids[np.flatnonzero(report.warm & (report.values["hr"] > 0))[0]].item()
    past = train.select((train.users[train.user_codes] == warm) & train.strong)
    liked = past.items[past.item_codes[np.argsort(-past.times, kind="stable")]][:5].tolist()
    nobody = -1  # no user of X-Wines
    ids, scores = model.recommend([warm, nobody], k=5)
    new = _catalog(data, new_wine)
    vector = model.embed_items(new, data.vectors[new_wine], space="hgnn")
    near, nearness = ExactIndex(model.general_vectors_).search(vector, k=5, threads=model.threads)
    return [
        (
            f"Warm user {warm}, who last liked {'; '.join(titles[wine] for wine in liked)}:",
            shown(ids[0], scores[0]),
        ),
        ("Cold user, without any history:", shown(ids[1], scores[1])),
        (
            f"Brand-new wine {new.titles()[0]} ({new.type_names[0]}), known by its text alone; the "
            "wines most like it by HGNN vector:",
            shown(model.item_ids_[near[0]], nearness[0]),
        ),
    ]
