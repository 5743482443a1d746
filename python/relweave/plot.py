"""Pictures (extra `plot`). Every function takes `ax=` and returns the Axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ConfigError, ShapeError, describe
from .evaluation import Comparison, Report, metric_title
from .progress import TITLES
from .stages import CoInteractionGraph, TrainingHistory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "degree_distribution",
    "embedding_map",
    "metric_bars",
    "relation_heatmap",
    "training_curves",
]


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"relweave.plot: {error}. pip install 'relweave[plot]'") from error
    return plt.subplots(layout="constrained")[1]


def degree_distribution(graph: CoInteractionGraph, ax: Axes | None = None) -> Axes:
    """Draw how many items have at least so many links, both axes logarithmic."""
    ax = _axes(ax)
    degrees = np.sort(graph.degrees())
    linked = degrees[degrees > 0]
    ax.loglog(linked, np.arange(len(linked), 0, -1), drawstyle="steps-pre")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    ax.grid(alpha=0.3)
    ax.set(
        xlabel="links of an item",
        ylabel="items with at least as many",
        title=f"{len(graph):,} links, {len(degrees) - len(linked):,} isolated items",
    )
    return ax


def relation_heatmap(graph: CoInteractionGraph, ax: Axes | None = None) -> Axes:
    """Draw the number of links between every two item types; shades are logarithmic."""
    ax = _axes(ax)
    counts = graph.relation_counts()
    names = graph.type_names
    shade = np.log1p(counts)
    ax.imshow(shade, cmap="Blues")
    size = min(8.0, 64 / len(names))  # points: numbers of four digits fit their fields
    ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(labelsize=max(size, 6))
    dark = shade > (shade.min() + shade.max()) / 2
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if dark[row, column] else "black"
        ax.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=size)
    ax.set_title("links between item types")
    return ax


def training_curves(
    history: TrainingHistory | Mapping[str, TrainingHistory], ax: Axes | None = None
) -> Axes:
    """Draw loss per epoch relative to the first, and on the right the HGNN's validation share.

    Takes a training's history or several by name, such as `Recommender.history_`.
    """
    ax = _axes(ax)
    histories = {"": history} if isinstance(history, TrainingHistory) else history
    lines = []
    right: Axes | None = None
    for name, one in histories.items():
        if not one.epochs:
            continue
        title = TITLES.get(name, name)
        epochs = np.arange(1, len(one.epochs) + 1)
        loss = np.array([epoch.loss for epoch in one.epochs])
        lines += ax.plot(epochs, loss / abs(loss[0] or 1.0), "o-", label=f"{title} loss".strip())
        validation = [epoch.validation for epoch in one.epochs]
        if any(validation):
            right = right or ax.twinx()
            lines += right.plot(
                epochs,
                validation,
                "s--",
                color=lines[-1].get_color(),
                alpha=0.6,
                label=f"{title} validation".strip(),
            )
            right.set_ylabel("held-out links above a random pair (dashed)")
    ax.set(xlabel="epoch", ylabel="loss / first loss", title="training")
    ax.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    ax.legend(handles=lines, loc="center right")
    return ax


def metric_bars(
    reports: Comparison | Sequence[Report],
    metric: str = "hr",
    slice: str = "warm",
    ax: Axes | None = None,
) -> Axes:
    """Draw one metric of several reports as bars; a comparison's reference stands out."""
    ax = _axes(ax)
    shown = list(reports.reports if isinstance(reports, Comparison) else reports)
    if not shown:
        raise ConfigError(describe("metric_bars", "reports", "none", "at least one report"))
    values = [report.slices.get(slice, {}).get(metric, np.nan) for report in shown]
    marked = reports.reference if isinstance(reports, Comparison) else None
    colours = ["C1" if report.name == marked else "C0" for report in shown]
    bars = ax.barh([report.name for report in shown], values, color=colours)
    ax.bar_label(bars, fmt="%.3f", padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    users = f"{slice} users" if slice in ("all", "warm", "cold") else slice.replace("_", " ")
    ax.set(xlabel=metric_title(metric, shown[0].k), title=users)
    return ax


def embedding_map(
    vectors: Any, labels: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw vectors by their two principal components, coloured by label.

    Parameters
    ----------
    vectors : array, shape (n, d), d >= 2
    labels : sequence of str, optional
        Such as item types.
    ax : Axes, optional
    """
    ax = _axes(ax)
    x = np.asarray(vectors, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] < 2 or (labels is not None and len(labels) != len(x)):
        raise ShapeError(
            describe(
                "embedding_map",
                "vectors",
                f"shape {x.shape}",
                "shape (n, d) with d >= 2, and one label per row",
            )
        )
    centred = x - x.mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred)
    plane = centred @ axes[:, [-1, -2]]
    names = np.full(len(x), "") if labels is None else np.asarray(labels)
    kinds, counts = np.unique(names, return_counts=True)
    order = np.argsort(-counts, kind="stable")  # rare ones are drawn last, on top
    from matplotlib import colormaps

    colours = colormaps["tab10" if len(kinds) <= 10 else "tab20"]
    for place, name in enumerate(kinds[order]):
        dots = plane[names == name]
        ax.scatter(
            dots[:, 0],
            dots[:, 1],
            s=8,
            alpha=0.7,
            color=colours(place % colours.N),
            label=str(name),
        )
    share = variance[[-1, -2]] / max(variance.sum(), 1e-30)
    ax.set(
        xlabel=f"first component ({share[0]:.0%})",
        ylabel=f"second component ({share[1]:.0%})",
        title="embedding map (PCA)",
    )
    if labels is not None:
        ax.legend(markerscale=2, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return ax
