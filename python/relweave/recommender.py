"""The whole pipeline: log, item graph, HGNN, two towers, retrieval."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from . import _core, _html
from ._events import Events, Histories, read_edges, read_histories, take_histories
from ._features import Floats, ItemFeatures, UserFeatures
from ._frames import Array
from ._ids import Codes, IdIndex, as_ids, external
from ._params import Parameters
from .catalog import Catalog
from .config import (
    GraphConfig,
    HGNNConfig,
    TwoTowerConfig,
    as_config,
    check_device,
    thread_count,
    to_json,
)
from .errors import ConfigError, DTypeError, IoError, NotFittedError, describe, near_names
from .log import InteractionLog
from .progress import Monitor, ProgressArgument
from .stages import CoInteractionGraph, TrainingHistory

__all__ = ["FitReport", "Recommender", "load"]


@dataclass(frozen=True)
class FitReport:
    """What became of the data that `fit` was given.

    Attributes
    ----------
    events : int
        Used for training.
    events_dropped : int
        Left out, because the catalogue lacks their items.
    unknown_items : int
        Ids of such items.
    users, items, links : int
    items_without_events : int
    types_without_events : tuple of str
    users_without_features : int
        Users that the user frame lacks; they have zeros.
    """

    events: int
    events_dropped: int
    unknown_items: int
    users: int
    items: int
    links: int
    items_without_events: int
    types_without_events: tuple[str, ...]
    users_without_features: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {**asdict(self), "types_without_events": list(self.types_without_events)}

    def __str__(self) -> str:
        return _html.text_pairs(self._shown())

    def _repr_html_(self) -> str:
        return _html.pairs(self._shown())

    def _shown(self) -> dict[str, Any]:
        return {
            **asdict(self), "types_without_events": ", ".join(self.types_without_events) or "none"
        }


class Recommender(Parameters):
    """Learns one vector space for users and items of every type, and recommends from it.

    log -> co-interaction item graph -> heterogeneous GraphSAGE -> two towers -> exact retrieval.
    The constructor only stores settings; the defaults are the recipe measured on X-Wines. The same
    seed, build and input give the same bits, whatever the number of threads.

    Parameters
    ----------
    seed : int
    device : {"cpu", "auto", "cuda"}
        "auto" is the CPU; "cuda" raises NotCompiledError in a build without it.
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

    Notes
    -----
    Ctrl-C during `fit` or `refit_towers` stops the training after the current step. What was
    trained stays usable, then KeyboardInterrupt is raised. Stopped while the HGNN trains, the model
    has item vectors (`similar_items`) but no towers yet; stopped later, it recommends.
    Fitting is for one thread at a time; a fitted model may be asked from many.

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

    _groups = {"graph": GraphConfig, "hgnn": HGNNConfig, "towers": TwoTowerConfig}

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
        self.seed = seed
        self.device = device
        self.threads = threads
        self.graph = graph
        self.hgnn = hgnn
        self.towers = towers
        self.use_hgnn = use_hgnn

    # ---------------------------------------------------------------- training

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
            training by returning False.

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
        NotCompiledError
            `device="cuda"` in a CPU build.
        """
        here = "Recommender.fit"
        check_device(self.device, here)
        threads = thread_count(self.threads, here)
        if not isinstance(catalog, Catalog):
            raise DTypeError(describe(here, "catalog", type(catalog).__name__, "a Catalog"))
        events = Events.of(train, catalog.index, here)
        settings = self._settings(train)
        item_features, item_matrix = ItemFeatures.learn(catalog, features, here)
        user_features = UserFeatures.learn(users, train.user_column, here) if users is not None else None
        user_ids, user_matrix, lacking = _users(train, users, user_features, here)
        model = _core.Recommender(settings)
        try:
            with Monitor(progress, here) as monitor:
                model.fit(
                    **events.arrays(),
                    user_count=len(user_ids),
                    type_names=list(catalog.type_names),
                    type_offsets=catalog.type_offsets.tolist(),
                    item_features=item_matrix,
                    user_features=user_matrix,
                    item_ids=catalog.ids.tolist(),
                    user_ids=user_ids.tolist(),
                    threads=threads,
                    progress=monitor.step,
                )
        finally:  # a training that was stopped, by Ctrl-C too, leaves a usable model
            if model.item_ids:
                self._adopt(model, item_features, user_features)
                self._report(events, lacking)
        return self

    def refit_towers(
        self, train: InteractionLog, users: Any = None, progress: ProgressArgument = True
    ) -> Self:
        """Train the towers again on a new log over the same catalogue; the HGNN stays.

        The cheap, frequent refresh. Users are those of the new log. Parameters as in `fit`; a model
        trained with user columns needs them again. Items added by `add_items` are forgotten: refit
        with a catalogue that holds them.
        """
        here = "Recommender.refit_towers"
        model = self._fitted(here)
        catalogue = IdIndex(self.item_ids_[: self._trained_items])
        events = Events.of(train, catalogue, here)
        if (users is None) != (self._user_features is None):
            raise ConfigError(
                describe(here, "users", "None" if users is None else "a frame",
                         "the same as in fit: " + ("None" if users is not None else "a frame"))
            )
        user_ids, user_matrix, lacking = _users(train, users, self._user_features, here)
        try:
            with Monitor(progress, here) as monitor:
                model.refit_towers(
                    **events.arrays(),
                    user_count=len(user_ids),
                    user_ids=user_ids.tolist(),
                    user_features=user_matrix,
                    threads=thread_count(self.threads, here),
                    progress=monitor.step,
                )
        finally:
            self._adopt(model, self._item_features, self._user_features)
        self._report(events, lacking)
        return self

    def refit_graph(self, train: InteractionLog) -> Self:
        """Build the graph again from a new log and compute new item vectors, without training."""
        here = "Recommender.refit_graph"
        model = self._fitted(here)
        catalogue = IdIndex(self.item_ids_[: self._trained_items])
        events = Events.of(train, catalogue, here)
        model.refit_graph(
            **events.arrays(),
            user_count=len(train.users),
            threads=thread_count(self.threads, here),
        )
        self._adopt(model, self._item_features, self._user_features)
        return self

    # ---------------------------------------------------------------- answers

    def recommend(
        self,
        user_ids: Any = None,
        k: int = 10,
        *,
        types: Sequence[str] | None = None,
        exclude_seen: bool = True,
        histories: Any = None,
        items: Any = None,
        users: Any = None,
    ) -> tuple[Array, Floats]:
        """Return the k best items of every user.

        Parameters
        ----------
        user_ids : sequence of ids, optional
            Users that training did not see are cold users: they get the answer to an empty history.
        k : int
        types : sequence of str, optional
            Only items of these types.
        exclude_seen : bool
            Leave out the items of the history.
        histories : InteractionLog, mapping or sequence, optional
            Histories that replace those of training, for new users and fresh events: a log (of
            `user_ids`, or of all its users, sorted), a mapping from user to item ids, or a sequence
            of item ids per user; oldest first.
        items : sequence of ids, optional
            Only these items.
        users : frame, optional
            Columns about the users, as in `fit`; for users that training did not see.

        Returns
        -------
        ids : ndarray, shape (n_users, k)
            External item ids, best first: objects for string ids, int64 otherwise. Places without
            an item hold None or -1: k may exceed what the filters leave.
        scores : ndarray of float32, shape (n_users, k)
            Cosine of user and item plus the recent-trend prior; -inf where there is no item.

        Raises
        ------
        ConfigError
            Unknown types or items, or k below 1.
        NotFittedError
            Before `fit`.
        """
        here = "Recommender.recommend"
        model = self._fitted(here)
        names = None if user_ids is None else as_ids(user_ids, here, "user_ids")
        request = {
            "k": _count(k, here),
            "exclude_seen": bool(exclude_seen),
            "types": self._type_codes(types, here),
            "threads": thread_count(self.threads, here),
        }
        if items is not None:
            allowed = self._items.expect(as_ids(items, here, "items"), here, "items", "model")
            request["allowed"] = np.unique(allowed)
        if histories is not None:
            given, names = read_histories(histories, names, self._items, here)
            answer = self._recommend_histories(model, given, names, users, request, here)
        elif names is None:
            raise ConfigError(
                describe(here, "user_ids", "None", "user ids, or histories")
            )
        else:
            answer = self._recommend_users(model, names, users, request, here)
        if items is not None and len(request["allowed"]) == 0:  # nothing is allowed
            answer = np.full_like(answer[0], -1), np.full_like(answer[1], -np.inf)
        return external(self.item_ids_, answer[0]), answer[1]

    def _recommend_users(
        self, model: _core.Recommender, names: Array, users: Any, request: dict[str, Any], here: str
    ) -> tuple[Codes, Floats]:
        self._users.expect_kind(names, here, "user_ids", "model")
        codes = self._users.find(names)
        known = codes >= 0
        indices = np.empty((len(names), request["k"]), dtype=np.int32)
        scores = np.empty(indices.shape, dtype=np.float32)
        if known.any():
            indices[known], scores[known] = model.recommend_users(codes[known], **request)
        if not known.all():
            cold = names[~known]
            indices[~known], scores[~known] = self._recommend_histories(
                model, Histories.empty(len(cold)), cold, users, request, here
            )
        return indices, scores

    def _recommend_histories(
        self,
        model: _core.Recommender,
        histories: Histories,
        names: Array | None,
        users: Any,
        request: dict[str, Any],
        here: str,
    ) -> tuple[Codes, Floats]:
        return model.recommend(
            histories.offsets,
            histories.items,
            histories.strong,
            user_features=self._user_rows(names, users, here),
            **request,
        )

    def _user_rows(self, names: Array | None, users: Any, here: str) -> Floats | None:
        """Return features of users: from the frame given now, else from training, else zeros."""
        if self._user_features is None:
            if users is not None:
                raise ConfigError(
                    describe(here, "users", "a frame", "None: the model was fitted without one")
                )
            return None
        if names is None:
            return None
        if users is not None:
            return self._user_features.rows_for(users, names, here)[0]
        stored = self._fitted(here).user_features
        padded = np.concatenate([stored, np.zeros((1, stored.shape[1]), dtype=np.float32)])
        return padded[self._users.find(names)]

    def score_users(self, user_ids: Any) -> Floats:
        """Return the scores of all items, (n_users, n_items), nothing left out.

        Columns follow `item_ids_`. Unknown users are cold users. For evaluation and analysis: ask
        for a few thousand users at a time.
        """
        here = "Recommender.score_users"
        model = self._fitted(here)
        names = as_ids(user_ids, here, "user_ids")
        self._users.expect_kind(names, here, "user_ids", "model")
        threads = thread_count(self.threads, here)
        codes = self._users.find(names)
        known = codes >= 0
        scores = np.empty((len(names), len(self.item_ids_)), dtype=np.float32)
        if known.any():
            scores[known] = model.score_users(codes[known], threads=threads)
        if not known.all():
            request = {"k": scores.shape[1], "exclude_seen": False, "threads": threads}
            cold = names[~known]
            alike = self._user_features is None  # then one answer serves all of them
            order, best = self._recommend_histories(
                model, Histories.empty(1 if alike else len(cold)),
                cold[:1] if alike else cold, None, request, here,
            )
            rows = np.empty((len(order), scores.shape[1]), dtype=np.float32)
            np.put_along_axis(rows, order.astype(np.int64), best, axis=1)
            scores[~known] = rows
        return scores

    def similar_items(self, item_ids: Any, k: int = 10) -> tuple[Array, Floats]:
        """Return the k items nearest to each item by the cosine of their general vectors.

        Returns
        -------
        ids : ndarray, shape (n_items, k)
            As in `recommend`; an item is not its own neighbour.
        scores : ndarray of float32, shape (n_items, k)
        """
        here = "Recommender.similar_items"
        model = self._model_or_raise(here)
        known = IdIndex(self.item_ids_[: self._trained_items])
        codes = known.expect(as_ids(item_ids, here, "item_ids"), here, "item_ids", "model")
        indices, scores = model.similar_items(
            codes, k=_count(k, here), threads=thread_count(self.threads, here)
        )
        return external(self.item_ids_, indices), scores

    # ---------------------------------------------------------------- new items

    def embed_items(
        self,
        new_items: Catalog,
        features: Any = None,
        edges: Any = None,
        space: Literal["towers", "hgnn"] = "towers",
    ) -> Floats:
        """Return vectors of items that training did not see.

        Parameters
        ----------
        new_items : Catalog
            Items of known types; with the metadata columns of training, if there were any.
        features : array or encoder, optional
            As in `fit`; by default the encoder of training, if there was one in this process.
        edges : pair of sequences, optional
            (new item ids, item ids): co-interactions with items of the trained catalogue. Without
            them the text alone decides.
        space : {"towers", "hgnn"}
            The space of users and recommendations, or that of `similar_items`.

        Returns
        -------
        ndarray of float32, shape (n_new_items, d)
            Rows in the order of the new items' frame.
        """
        here = "Recommender.embed_items"
        if space not in ("towers", "hgnn"):
            raise ConfigError(describe(here, "space", repr(space), "'towers' or 'hgnn'"))
        model = self._fitted(here)
        new = self._new_items(new_items, features, edges, here)
        general, towers = model.embed_items(**new)
        result = np.empty_like(towers if space == "towers" else general)
        result[new_items.rows] = towers if space == "towers" else general
        return result

    def add_items(self, new_items: Catalog, features: Any = None, edges: Any = None) -> Self:
        """Make new items retrievable until the next fit; parameters as in `embed_items`."""
        here = "Recommender.add_items"
        model = self._fitted(here)
        new = self._new_items(new_items, features, edges, here)
        self._items.expect_kind(new_items.ids, here, "new_items", "model")
        model.add_items(**new, ids=new_items.ids.tolist())
        self._adopt(model, self._item_features, self._user_features)
        return self

    def _new_items(
        self, new_items: Catalog, features: Any, edges: Any, here: str
    ) -> dict[str, Any]:
        if not isinstance(new_items, Catalog):
            raise DTypeError(describe(here, "new_items", type(new_items).__name__, "a Catalog"))
        codes = np.array(self._type_codes(new_items.type_names, here), dtype=np.int32)
        new, known = read_edges(edges, new_items, self._items, self._trained_items, here)
        return {
            "types": codes[new_items.types],
            "features": self._item_features.apply(new_items, features, here),
            "link_new": new,
            "link_item": known,
            "threads": thread_count(self.threads, here),
        }

    # ---------------------------------------------------------------- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a folder of safetensors and JSON, whole or not at all; C++ reads the same.

        Raises
        ------
        IoError
            The folder cannot be written.
        """
        model = self._fitted("Recommender.save")
        users = self._user_features
        model.extra = json.dumps(
            {
                "items": self._item_features.to_json(),
                "users": None if users is None else users.to_json(),
                "fit_report": self.fit_report_.to_dict(),
            }
        )
        model.save(os.fspath(path))

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
        check_device(device, here)
        core = _core.Recommender.load(os.fspath(path))
        settings = json.loads(core.config)
        groups: dict[str, Any] = {}
        for name, group in cls._groups.items():
            values = {key: value for key, value in settings[name].items() if key != "seed"}
            groups[name] = as_config(group, values, name)
        model = cls(
            seed=settings["towers"]["seed"], device=device, threads=threads,
            use_hgnn=settings["use_hgnn"], **groups,
        )
        try:
            extra = json.loads(core.extra) if core.extra else _extra_of_cpp(core)
            users = extra["users"]
            model._adopt(
                core,
                ItemFeatures.from_json(extra["items"]),
                None if users is None else UserFeatures.from_json(users),
            )
            report = extra["fit_report"]
            model.fit_report_ = FitReport(
                **{**report, "types_without_events": tuple(report["types_without_events"])}
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IoError(
                describe(here, str(path), f"damaged settings ({error!r})", "a saved Recommender")
            ) from error
        return model

    # ---------------------------------------------------------------- fitted state

    def _settings(self, train: InteractionLog) -> str:
        here = "Recommender.fit"
        graph = as_config(GraphConfig, self.graph, "graph")
        towers = as_config(TwoTowerConfig, self.towers, "towers")
        if not train.has_times:
            if graph.window_seconds or towers.window_seconds:
                raise ConfigError(
                    describe(here, "window_seconds", "a window", "0, since the log has no times")
                )
            towers = replace(towers, trend=0.0)  # row numbers tell an order, not what is recent
        seed = self.seed
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise ConfigError(describe(here, "seed", repr(seed), "a whole number from 0 on"))
        return to_json(
            graph=graph,
            hgnn=as_config(HGNNConfig, self.hgnn, "hgnn"),
            towers=towers,
            use_hgnn=bool(self.use_hgnn),
            seed=int(seed),
        )

    def _adopt(
        self, model: _core.Recommender, items: ItemFeatures, users: UserFeatures | None
    ) -> None:
        self._model = model
        self._item_features = items
        self._user_features = users
        self.item_ids_: Array = np.array(model.item_ids)
        self.user_ids_: Array = np.array(model.user_ids)
        self.type_names_: tuple[str, ...] = tuple(model.type_names)
        self._trained_items = int(model.type_offsets[-1])
        self.item_types_: Codes = np.asarray(model.item_types, dtype=np.int32)
        self._items = IdIndex(self.item_ids_)
        self._users = IdIndex(self.user_ids_)
        self.history_ = {
            "hgnn": TrainingHistory.of(model.hgnn_history),
            "towers": TrainingHistory.of(model.tower_history),
        }

    def _report(self, events: Events, lacking: int) -> None:
        counts = np.bincount(events.item, minlength=self._trained_items)
        per_type = np.bincount(
            self.item_types_[: self._trained_items], weights=counts, minlength=len(self.type_names_)
        )
        self.fit_report_ = FitReport(
            events=len(events.item),
            events_dropped=events.dropped,
            unknown_items=events.unknown_items,
            users=len(self.user_ids_),
            items=self._trained_items,
            links=int(self._model.graph_report["links"]),
            items_without_events=int((counts == 0).sum()),
            types_without_events=tuple(
                name for name, n in zip(self.type_names_, per_type, strict=True) if n == 0
            ),
            users_without_features=lacking,
        )

    def _model_or_raise(self, function: str) -> _core.Recommender:
        model: _core.Recommender | None = getattr(self, "_model", None)
        if model is None:
            raise NotFittedError(
                describe(function, "model", "one that is not fitted", "a fitted model",
                         "Call fit first, or rw.load.")
            )
        return model

    def _fitted(self, function: str) -> _core.Recommender:
        model = self._model_or_raise(function)
        if not model.fitted:
            raise NotFittedError(
                describe(function, "model", "one whose towers are not trained", "a fitted model",
                         "The training was stopped before; call fit again.")
            )
        return model

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn's check_is_fitted."""
        model: _core.Recommender | None = getattr(self, "_model", None)
        return model is not None and model.fitted

    @property
    def item_vectors_(self) -> Floats:
        """Item vectors in the space of users."""
        return self._fitted("Recommender.item_vectors_").tower_vectors

    @property
    def general_vectors_(self) -> Floats:
        """HGNN vectors, or the item features without an HGNN."""
        return self._model_or_raise("Recommender.general_vectors_").general_vectors

    @property
    def graph_(self) -> CoInteractionGraph:
        """The item graph of the last fit."""
        model = self._model_or_raise("Recommender.graph_")
        return CoInteractionGraph.of_model(model, self.item_ids_[: self._trained_items])

    def seen(self, user_ids: Any) -> tuple[NDArray[np.int64], Codes]:
        """Return what users touched in training: offsets (n + 1), and positions in `item_ids_`."""
        here = "Recommender.seen"
        offsets, items, _ = self._fitted(here).histories
        return take_histories(offsets, items, self._users.find(as_ids(user_ids, here, "user_ids")))

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of training events of every item."""
        _, items, _ = self._fitted("Recommender.item_counts").histories
        return np.bincount(items, minlength=len(self.item_ids_))

    def _type_codes(self, types: Sequence[str] | None, here: str) -> list[int]:
        if types is None:
            return []
        if isinstance(types, str):
            types = [types]
        if len(types) == 0:
            raise ConfigError(describe(here, "types", "none", "at least one type, or None for all"))
        for name in types:
            if name not in self.type_names_:
                raise ConfigError(
                    describe(here, "types", repr(name),
                             f"types of the model: {', '.join(self.type_names_)}",
                             near_names(name, self.type_names_))
                )
        return [self.type_names_.index(name) for name in types]

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self._changed().items())
        return f"Recommender({settings})"

    def _repr_html_(self) -> str:
        if not self.__sklearn_is_fitted__():
            return f"<p>{self!r}, not fitted</p>"
        seconds = {f"{k}_seconds": sum(h.seconds) for k, h in self.history_.items()}
        return _html.pairs({**self.fit_report_._shown(), **seconds})


def load(
    path: str | os.PathLike[str], *, device: str = "cpu", threads: int | None = None
) -> Recommender:
    """Read a model folder; see `Recommender.load`."""
    return Recommender.load(path, device=device, threads=threads)


def _count(k: int, function: str) -> int:
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise ConfigError(describe(function, "k", repr(k), "a whole number above 0"))
    return int(k)


def _users(
    train: InteractionLog, users: Any, features: UserFeatures | None, here: str
) -> tuple[Array, Floats | None, int]:
    """Return user ids (the log's, then those only in the frame), their features, and a count."""
    if features is None:
        return train.users, None, 0
    index, _ = features.read(users, here)
    index.expect_kind(train.users, here, "users", "log")
    extra = np.setdiff1d(index.ids, train.users)
    ids = np.concatenate([train.users, extra])
    rows, lacking = features.rows_for(users, ids, here)
    return ids, rows, lacking


def _extra_of_cpp(core: _core.Recommender) -> dict[str, Any]:
    """Return what Python keeps in a checkpoint, for one that C++ trained: plain features."""
    offsets, items, _ = core.histories
    counts = np.bincount(items, minlength=len(core.item_ids))
    starts, ends = core.type_offsets[:-1], core.type_offsets[1:]
    return {
        "items": {"encoder_id": None, "text_width": core.item_feature_count, "metadata": []},
        "users": None,
        "fit_report": {
            "events": len(items),
            "events_dropped": 0,
            "unknown_items": 0,
            "users": len(offsets) - 1,
            "items": core.type_offsets[-1],
            "links": core.graph_report["links"],
            "items_without_events": int((counts == 0).sum()),
            "types_without_events": [
                name
                for name, a, b in zip(core.type_names, starts, ends, strict=True)
                if not counts[a:b].any()
            ],
            "users_without_features": 0,
        },
    }
