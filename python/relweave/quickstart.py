"""The whole pipeline on real data, told step by step: `relweave quickstart`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import baselines
from ._frames import Array
from ._html import table as html_table
from ._summary import Summary, write_text
from .catalog import Catalog
from .datasets import XWines, load_xwines
from .evaluation import Comparison, Scorer, compare, evaluate
from .log import InteractionLog
from .progress import ProgressArgument
from .recommender import Recommender
from .text import PrecomputedVectors

__all__ = ["run"]

Say = Callable[[str], None]


def run(
    out: str | Path = "relweave-quickstart",
    *,
    seed: int = 0,
    threads: int | None = None,
    progress: ProgressArgument = True,
    say: Say = print,
) -> Comparison:
    """Load, train, evaluate, recommend, and write plots, a summary and the model below `out`.

    Parameters
    ----------
    out : path
        Receives summary.html, comparison.json, model/ and, where matplotlib is installed, *.png.
    seed, threads, progress
        As in `Recommender` and its `fit`.
    say : function
        Takes the lines to print.

    Returns
    -------
    Comparison
        All models on the same test users.
    """
    start = time.perf_counter()
    folder = Path(out)
    page = Summary("relweave quick start: X-Wines")

    say("Loading X-Wines: ratings of wines, 4 of 5 and more are strong signals, the rest weak ones")
    data = load_xwines()
    train, test = data.split()
    new_wine = _never_rated(data, train, test)
    catalog = _catalog(data, ~new_wine)
    vectors = data.vectors[~new_wine]
    say(f"  {catalog}\n  train: {train}\n  test:  {test}\n")
    say(f"{train.report()}\n")
    page.heading("Data")
    page.paragraph(f"Training part, before {data.cutoff}:")
    page.table(train.report()._repr_html_())

    say("Training item graph, HGNN and two towers")
    model = Recommender(seed=seed, threads=threads)
    model.fit(train, catalog, features=vectors, progress=progress)
    graph = model.graph_
    say(f"  {graph!r}, largest degree {graph.report()['largest_degree']}")
    say(f"  {', '.join(f'{n}: {h.seconds:.1f} s' for n, h in model.history_.items())}\n")
    say("Training two towers alone, to compare with")
    towers = Recommender(seed=seed, threads=threads, use_hgnn=False)
    towers.fit(train, catalog, features=vectors, progress=progress)
    page.heading("Item graph")
    page.table(graph._repr_html_())

    say("\nEvaluating against the last tenth of the ratings: the whole catalogue is ranked")
    result = _evaluate(model, towers, train, catalog, vectors, test)
    say(f"\n{result}\n")
    say(result.reports[-1].table() + "\n")
    page.heading("Quality")
    page.table(result._repr_html_())
    page.paragraph("2T-HGNN by kind of user and item:")
    page.table(result.reports[-1]._repr_html_())

    page.heading("Recommendations")
    titles = dict(zip(catalog.ids.tolist(), catalog.titles(), strict=True))
    for heading, head, rows in _examples(model, data, train, result, new_wine, titles):
        say(heading)
        for row in rows:
            say("  " + "  ".join(str(cell) for cell in row))
        say("")
        page.paragraph(heading)
        page.table(html_table(head, rows))

    model.save(folder / "model")
    pictures = _draw(model, result, page, folder, say)
    page.write(folder / "summary.html")
    write_text(folder / "comparison.json", json.dumps(result.to_dict(), indent=2) + "\n")
    say(f"Done after {time.perf_counter() - start:.0f} s. Written:")
    for name in ["summary.html", "comparison.json", "model", *pictures]:
        say(f"  {folder / name}")
    say(f"Use the model: relweave.load({str(folder / 'model')!r}).recommend(...)")
    return result


def _never_rated(data: XWines, train: InteractionLog, test: InteractionLog) -> Array:
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


Example = tuple[str, Sequence[str], list[list[Any]]]


def _examples(
    model: Recommender,
    data: XWines,
    train: InteractionLog,
    result: Comparison,
    new_wine: Array,
    titles: dict[Any, str],
) -> list[Example]:
    """Return readable answers for a warm user, a cold user and a wine that was never rated."""
    report = result.reports[-1]
    types = dict(zip(data.items["wine"].tolist(), data.items["type"].tolist(), strict=True))

    def wine(id: Any, score: float) -> list[Any]:
        return [f"{score:6.3f}", titles[id], types[id]]

    found = np.flatnonzero(report.warm & (report.values["hr"] > 0))
    warm = report.user_ids[found[0]].item()
    past = train.select((train.users[train.user_codes] == warm) & train.strong)
    liked = past.items[past.item_codes[np.argsort(-past.times, kind="stable")]][:5]
    ids, scores = model.recommend([warm], k=5)
    cold_ids, cold_scores = model.recommend(
        ["nobody" if model.user_ids_.dtype.kind == "U" else -1], k=5
    )
    name = str(data.items["title"][new_wine][0])
    new = _catalog(data, new_wine)
    place = model.embed_items(new, data.vectors[new_wine])[0] @ model.item_vectors_.T
    near = np.argsort(-place, kind="stable")[:5]
    head = ("score", "wine", "type")
    return [
        (
            f"Warm user {warm}; liked last: "
            + "; ".join(titles[id] for id in liked.tolist() if id in titles),
            head,
            [wine(*pair) for pair in zip(ids[0].tolist(), scores[0].tolist(), strict=True)],
        ),
        (
            "Cold user, no history:",
            head,
            [wine(*p) for p in zip(cold_ids[0].tolist(), cold_scores[0].tolist(), strict=True)],
        ),
        (
            f"Brand-new wine, known by its text alone: {name} "
            f"({data.items['type'][new_wine][0]}); nearest in the space of users and items:",
            head,
            [wine(model.item_ids_[i].item(), float(place[i])) for i in near],
        ),
    ]


def _draw(
    model: Recommender, result: Comparison, page: Summary, folder: Path, say: Say
) -> list[str]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        say("No pictures: matplotlib is not installed (pip install 'relweave[plot]')")
        return []
    from . import plot

    graph = model.graph_
    types = [model.type_names_[t] for t in model.item_types_]
    drawings: dict[str, Callable[[Any], Any]] = {
        "degrees": lambda ax: plot.degree_distribution(graph, ax=ax),
        "relations": lambda ax: plot.relation_heatmap(graph, ax=ax),
        "training": lambda ax: plot.training_curves(model.history_, ax=ax),
        "metrics": lambda ax: plot.metric_bars(result, ax=ax),
        "map": lambda ax: plot.embedding_map(model.item_vectors_, types, ax=ax),
    }
    page.heading("Pictures")
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in drawings.items():
        figure = Figure(figsize=(7, 5), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(folder / f"{name}.png", dpi=130)
        page.figure(figure, name)
    return [f"{name}.png" for name in drawings]
