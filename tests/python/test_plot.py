import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import relweave as rw
from relweave import plot

mpl.use("Agg")


def axes():
    return Figure().add_subplot()


def test_every_plot_draws_on_the_given_axes(model, tiny):
    report = rw.evaluate(
        rw.baselines.Popularity().fit(tiny.log(), tiny.catalog()), new_events(tiny)
    )
    drawings = {
        "degrees": lambda ax: plot.degree_distribution(model.graph_, ax=ax),
        "relations": lambda ax: plot.relation_heatmap(model.graph_, ax=ax),
        "training": lambda ax: plot.training_curves(model.history_, ax=ax),
        "hgnn": lambda ax: plot.training_curves(model.history_["hgnn"], ax=ax),
        "metrics": lambda ax: plot.metric_bars([report], ax=ax),
        "map": lambda ax: plot.embedding_map(
            model.item_vectors_, [model.type_names_[t] for t in model.item_types_], ax=ax
        ),
    }
    for name, draw in drawings.items():
        ax = axes()

        assert draw(ax) is ax, name
        assert ax.has_data(), name


def new_events(tiny):
    users = [f"u{k}" for k in range(30)] * 2
    items = [f"i{k}" for k in range(60)]
    return rw.InteractionLog({"u": users, "i": items}, user="u", item="i")


def test_a_plot_makes_its_own_axes(model):
    import matplotlib.pyplot as plt

    ax = plot.degree_distribution(model.graph_)

    assert isinstance(ax, Axes)
    plt.close(ax.figure)


def test_a_map_without_labels_and_bad_input():
    assert plot.embedding_map(np.eye(3), ax=axes()).has_data()
    with pytest.raises(rw.ShapeError, match="one label per row"):
        plot.embedding_map(np.eye(3), ["a"], ax=axes())
    with pytest.raises(rw.ConfigError, match="at least one report"):
        plot.metric_bars([], ax=axes())
