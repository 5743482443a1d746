"""The whole pipeline: log, item graph, HGNN, two towers, retrieval."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from . import _core, _html
from ._events import Events
from ._features import Floats, ItemFeatures, UserFeatures
from ._files import path_of
from ._fit_report import FitReport
from ._frames import Array
from ._ids import IdIndex
from ._saved import Saved
from ._serving import Serving
from .catalog import Catalog
from .config import (
    GraphConfig,
    HGNNConfig,
    TwoTowerConfig,
    as_config,
    device_number,
    expect_no_window,
    flag,
    seed_of,
    thread_count,
    to_json,
    without_times,
)
from .errors import ConfigError, DTypeError, Error, IoError, describe
from .log import InteractionLog
from .progress import TITLES, Monitor, ProgressArgument

__all__ = ["FitReport", "Recommender", "load"]


class Recommender(Serving):
    """Learns one vector space for users and items of every type, and recommends from it.

    log -> co-interaction item graph -> heterogeneous GraphSAGE -> two towers -> exact retrieval.
    The constructor only stores settings; the defaults are the recipe measured on X-Wines. The same
    seed, build and input give the same bits, whatever the number of threads.

    Parameters
    ----------
    seed : int
    device : str
        "cpu", or "cuda" or "cuda:N" to train and answer on that GPU. Not part of a saved model.
    threads : int, optional
        By default $RELWEAVE_NUM_THREADS, or the processors of this process.
    graph : GraphConfig or mapping, optional
    hgnn : HGNNConfig or mapping, optional
    towers : TwoTowerConfig or mapping, optional
    use_hgnn : bool
        False leaves graph and HGNN out: two towers on the item features alone.

    Attributes
    ----------
    item_ids_, item_types_, type_names_, user_ids_ : arrays and tuple
        External ids in the inner order, and type codes.
    item_vectors_ : ndarray of float32, shape (n_items, towers.layers[-1])
        Unit vectors in the space of users; those of the trained catalogue.
    general_vectors_ : ndarray of float32, shape (n_items, hgnn.layers[-1])
        HGNN vectors.
    graph_ : CoInteractionGraph
    history_ : dict of TrainingHistory
        "hgnn" and "towers".
    fit_report_ : FitReport
    columns_ : dict
        Names of the columns that the log ("log") and the catalogue ("items") were read from.

    Notes
    -----
    Ctrl-C during `fit` or `refit_towers` stops the training after the current step. What was
    trained stays usable, then KeyboardInterrupt is raised. Stopped while the item graph is built,
    the model is as it was before. Stopped while the HGNN trains, it
    has item vectors (`similar_items`) but no towers yet; stopped later, it recommends.
    Fitting is for one thread at a time; a fitted model may be asked from many. It travels between
    processes by `save` and `rw.load`; pickle refuses it. After a fork the child may ask and train.

    Sources: Damianou et al. 2024 (arXiv 2403.07478), De Nadai et al. 2024 (arXiv 2403.05185).

    Examples
    --------
    >>> import numpy as np
    >>> import relweave as rw
    >>> rng = np.random.default_rng(0)
    >>> catalog = rw.Catalog(
    ...     {"id": [f"i{k}" for k in range(40)], "type": ["book", "song"] * 20},
    ...     id="id", type="type")
    >>> log = rw.InteractionLog(
    ...     {"user": rng.integers(0, 50, 900), "item": [f"i{k}" for k in rng.integers(0, 40, 900)],
    ...      "time": rng.integers(0, 10**7, 900)}, user="user", item="item", time="time")
    >>> model = rw.Recommender(seed=0, hgnn={"epochs": 1}, towers={"epochs": 1})
    >>> model = model.fit(log, catalog, features=rng.normal(size=(40, 8)), progress=False)
    >>> ids, scores = model.recommend([3, 7], k=5, types=["song"])
    >>> ids.shape, bool((np.diff(scores) <= 0).all())
    ((2, 5), True)
    """

    _groups: ClassVar[dict[str, Any]] = {
        "graph": GraphConfig,
        "hgnn": HGNNConfig,
        "towers": TwoTowerConfig,
    }

    def __init__(
        self,
        *,
        seed: int = 0,
        device: str = "cpu",
        threads: int | None = None,
        graph: GraphConfig | Mapping[str, Any] | None = None,
        hgnn: HGNNConfig | Mapping[str, Any] | None = None,
        towers: TwoTowerConfig | Mapping[str, Any] | None = None,
        use_hgnn: bool = True,
    ) -> None:
        device_number(device, "Recommender")  # now, not after an hour of other work
        self.seed = seed
        self.device = device
        self.threads = threads
        self.graph = graph
        self.hgnn = hgnn
        self.towers = towers
        self.use_hgnn = use_hgnn

    def fit(
        self,
        train: InteractionLog,
        catalog: Catalog,
        features: Any = None,
        users: Any = None,
        progress: ProgressArgument = True,
    ) -> Self:
        """Train everything.

        Parameters
        ----------
        train : InteractionLog
            Events with items that the catalogue lacks are dropped and counted in `fit_report_`.
        catalog : Catalog
        features : array, shape (n_items, d), or encoder
            Text vectors in the order of the catalogue's frame; or anything with `id` and
            `encode(texts)`, such as those of `rw.text`; or `rw.text.PrecomputedVectors`.
        users : frame, optional
            Numeric and categorical columns about users, with a column of user ids named as in the
            log. Users that it lacks get zeros (counted in `fit_report_`); users without events
            become cold users.
        progress : bool or function
            True shows bars; a function takes a `rw.Progress` after every step and stops the
            training by returning False. While the item graph is built, that is a StoppedError and
            the model is as it was before.

        Returns
        -------
        Recommender
            Itself.

        Raises
        ------
        ConfigError
            A setting out of range, no usable event, values that are not finite, missing columns.
        ShapeError
            Features of another shape than (n_items, d).
        DTypeError
            Ids of the log and the catalogue are of different kinds.
        NotCompiledError, DeviceError
            `device` asks for CUDA, and this build or this machine has none.

        Notes
        -----
        Memory, beside the log's own columns of 17 bytes per event: up to 32 bytes per event while
        it trains, and 13 more if events were dropped. The model keeps 17 of them, the histories
        that it answers from. The item graph takes at most `graph.memory_limit` more while it is
        built, if that is set, and keeps 20 bytes per link. The rest is a copy of the features, and
        the parameters with their gradients and Adam's two moments.
        """
        here = "Recommender.fit"
        device = device_number(self.device, here)
        threads = thread_count(self.threads, here)
        if not isinstance(catalog, Catalog):
            raise DTypeError(describe(here, "catalog", type(catalog).__name__, "a Catalog"))
        events = Events.of(train, catalog.index, here)
        settings = self._settings(train)
        item_features, item_matrix = ItemFeatures.learn(catalog, features, here)
        user_features = (
            UserFeatures.learn(users, str(train.columns["user"]), here)
            if users is not None
            else None
        )
        user_ids, user_matrix, lacking = _users(train, users, user_features, here)
        model = _core.Recommender(settings)
        with Monitor(progress, here) as monitor:
            stopped_by = model.fit(
                **events.arrays(),
                user_count=len(user_ids),
                type_names=list(catalog.type_names),
                type_offsets=catalog.type_offsets.tolist(),
                item_features=item_matrix,
                user_features=user_matrix,
                item_ids=catalog.ids.tolist(),
                user_ids=user_ids.tolist(),
                threads=threads,
                device=device,
                progress=monitor.step,
            )
        self._adopt(model, item_features, user_features)
        self.fit_report_ = FitReport.of(model, events, lacking)
        self.columns_ = {"log": train.columns, "items": catalog.columns}
        if stopped_by is not None:  # by Ctrl-C too, which leaves a usable model
            raise stopped_by
        return self

    def refit_towers(
        self, train: InteractionLog, users: Any = None, progress: ProgressArgument = True
    ) -> Self:
        """Train the towers again on a new log over the same catalogue; the HGNN stays.

        The cheap, frequent refresh. Users are those of the new log. Parameters as in `fit`; a model
        trained with user columns needs them again. Items added by `add_items` are forgotten: refit
        with a catalogue that holds them. A log without times is refused where the model reads them
        (`towers.trend`, `towers.window_seconds`).
        """
        here = "Recommender.refit_towers"
        model = self._fitted(here)
        catalogue = IdIndex(self.item_ids_[: self._trained_items])
        events = Events.of(train, catalogue, here)
        settings = json.loads(model.config)["towers"]
        _expect_times(train, settings, ("trend", "window_seconds"), here)
        if (users is None) != (self._user_features is None):
            raise ConfigError(
                describe(
                    here,
                    "users",
                    "None" if users is None else "a frame",
                    "the same as in fit: " + ("None" if users is not None else "a frame"),
                )
            )
        user_ids, user_matrix, lacking = _users(train, users, self._user_features, here)
        with Monitor(progress, here) as monitor:
            stopped_by = model.refit_towers(
                **events.arrays(),
                user_count=len(user_ids),
                user_ids=user_ids.tolist(),
                user_features=user_matrix,
                threads=thread_count(self.threads, here),
                device=device_number(self.device, here),
                progress=monitor.step,
            )
        self._adopt(model, self._item_features, self._user_features)
        self.fit_report_ = FitReport.of(model, events, lacking)
        if stopped_by is not None:
            raise stopped_by
        return self

    def refit_graph(self, train: InteractionLog, progress: ProgressArgument = False) -> Self:
        """Build the graph again from a new log and compute new item vectors, without training.

        The towers keep their parameters, and users their histories. Items added by `add_items` are
        forgotten. Stopped by Ctrl-C or by `progress`, it leaves the model as it was.
        """
        here = "Recommender.refit_graph"
        model = self._fitted(here)
        catalogue = IdIndex(self.item_ids_[: self._trained_items])
        events = Events.of(train, catalogue, here)
        _expect_times(train, json.loads(model.config)["graph"], ("window_seconds",), here)
        with Monitor(progress, here) as monitor:
            model.refit_graph(
                **events.arrays(),
                user_count=len(train.users),
                threads=thread_count(self.threads, here),
                device=device_number(self.device, here),
                progress=monitor.step,
            )
        self._adopt(model, self._item_features, self._user_features)
        self.fit_report_ = replace(self.fit_report_, links=len(self.graph_))
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder of safetensors and JSON, whole or not at all; C++ reads the same.

        An older model in the folder is replaced; a folder that holds anything else is refused.

        Raises
        ------
        IoError
            The folder cannot be written.
        """
        model = self._fitted("Recommender.save")
        saved = Saved(self._item_features, self._user_features, self.fit_report_, self.columns_)
        model.extra = saved.to_json()
        model.save(path_of(path, "Recommender.save", "folder"))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, device: str = "cpu", threads: int | None = None
    ) -> Self:
        """Read a folder that `save`, or the C++ library, wrote.

        Raises
        ------
        IoError
            The folder is missing, damaged, or holds something else.
        """
        here = "Recommender.load"
        device_number(device, here)
        thread_count(threads, here)
        core = _core.Recommender.load(path_of(path, here, "folder"))
        settings = json.loads(core.config)
        groups: dict[str, Any] = {}
        for name, group in cls._groups.items():
            values = {key: value for key, value in settings[name].items() if key != "seed"}
            groups[name] = as_config(group, values, name)
        model = cls(
            seed=settings["towers"]["seed"],
            device=device,
            threads=threads,
            use_hgnn=settings["use_hgnn"],
            **groups,
        )
        try:
            saved = Saved.read(core)
            model._adopt(core, saved.items, saved.users)
        except (KeyError, TypeError, ValueError, AttributeError, Error) as error:
            raise IoError(
                describe(here, str(path), f"damaged settings ({error!r})", "a saved Recommender")
            ) from error
        model.fit_report_, model.columns_ = saved.report, saved.columns
        return model

    def _settings(self, train: InteractionLog) -> str:
        here = "Recommender.fit"
        graph = as_config(GraphConfig, self.graph, "graph")
        towers = as_config(TwoTowerConfig, self.towers, "towers")
        if not train.has_times:
            expect_no_window(graph.window_seconds, here)
            towers = without_times(towers, here)
        return to_json(
            graph=graph,
            hgnn=as_config(HGNNConfig, self.hgnn, "hgnn"),
            towers=towers,
            use_hgnn=flag(self.use_hgnn, here, "use_hgnn"),
            seed=seed_of(self.seed, here),
        )

    def _repr_html_(self) -> str:
        if not self.__sklearn_is_fitted__():
            return _html.pairs({"state": "not fitted"}, repr(self))
        seconds = {f"{TITLES[k]}, seconds": f"{h.seconds:.1f}" for k, h in self.history_.items()}
        return _html.pairs({**self.fit_report_.shown(), **seconds}, repr(self))


def load(
    path: str | os.PathLike[str], *, device: str = "cpu", threads: int | None = None
) -> Recommender:
    """Read a model folder; see `Recommender.load`."""
    return Recommender.load(path, device=device, threads=threads)


def _expect_times(
    train: InteractionLog, settings: Mapping[str, Any], needing: tuple[str, ...], here: str
) -> None:
    """Refuse a log without times where the model was fitted to read them."""
    used = [name for name in needing if settings[name]]
    if used and not train.has_times:
        raise ConfigError(
            describe(
                here,
                "train",
                "a log without times",
                f"times, as in fit: the model uses {' and '.join(used)}",
                "Pass time= to InteractionLog.",
            )
        )


def _users(
    train: InteractionLog, users: Any, features: UserFeatures | None, here: str
) -> tuple[Array, Floats | None, int]:
    """Return user ids (the log's, then those only in the frame), their features, and a count."""
    if features is None:
        return train.users, None, 0
    index, _ = features.read(users, here)
    IdIndex(train.users).expect_kind(index.ids, here, "users", "log")
    extra = np.setdiff1d(index.ids, train.users)
    ids = np.concatenate([train.users, extra])
    rows, lacking = features.rows_for(users, ids, here)
    return ids, rows, lacking
