"""The stages of the pipeline, each usable alone: item graph, HGNN, two towers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from . import _core, _html
from ._device import device_beside, matrix_on, result, rows_in, together
from ._events import Events, read_edges, read_histories
from ._features import Floats, UserFeatures
from ._frames import Array
from ._graph_report import CoInteractionReport
from ._history import EpochRecord, TrainingHistory
from ._ids import Codes, IdIndex, as_ids
from ._params import Parameters
from .catalog import Catalog
from .config import (
    GraphConfig,
    HGNNConfig,
    TwoTowerConfig,
    as_config,
    device_number,
    expect_no_window,
    seed_of,
    thread_count,
    to_json,
    without_times,
)
from .errors import ConfigError, DTypeError, NotFittedError, ShapeError, describe
from .log import InteractionLog
from .progress import Monitor, ProgressArgument

__all__ = ["HGNN", "CoInteractionGraph", "EpochRecord", "TrainingHistory", "TwoTower"]


class CoInteractionGraph:
    """Undirected links between items that users share; made by `build`.

    Attributes
    ----------
    item_ids : ndarray
        External ids in the inner order: grouped by type.
    type_names : tuple of str
    lower, upper : ndarray of int32, shape (n_links,)
        Positions in `item_ids`; each link once, lower < upper.
    counts : ndarray of int64, shape (n_links,)
        Users who share both items.
    weights : ndarray of float32, shape (n_links,)

    Examples
    --------
    >>> import relweave as rw
    >>> catalog = rw.Catalog({"id": ["a", "b", "c"]}, id="id")
    >>> log = rw.InteractionLog({"u": [1, 1, 2, 2, 2], "i": ["a", "b", "a", "b", "c"]},
    ...                         user="u", item="i")
    >>> graph = rw.CoInteractionGraph.build(log, catalog)
    >>> graph.edges()[0].tolist(), graph.edges()[1].tolist(), graph.counts.tolist()
    (['a', 'a', 'b'], ['b', 'c', 'c'], [2, 1, 1])
    """

    def __init__(
        self, core: _core.ItemGraph, item_ids: Array, names: tuple[str, ...], offsets: Array
    ) -> None:
        self._core = core
        self.item_ids = item_ids
        self.type_names = names
        self.type_offsets = offsets
        self.lower: Codes = core.lower
        self.upper: Codes = core.upper
        self.counts: NDArray[np.int64] = core.count
        self.weights: Floats = core.weight
        self._counts: dict[str, int] = core.report
        self._events_dropped: int | None = None

    @classmethod
    def build(
        cls,
        log: InteractionLog,
        catalog: Catalog,
        config: GraphConfig | Mapping[str, Any] | None = None,
        *,
        threads: int | None = None,
        progress: ProgressArgument = False,
    ) -> CoInteractionGraph:
        """Count, for every pair of items, the users who touched both, and keep the strongest links.

        Any order of events gives the same links. Source: De Nadai et al. 2024, section 4.1.1
        (arXiv 2403.05185); the pruning is this library's. Logs whose pairs of items do not fit the
        memory: `GraphConfig.memory_limit`.

        Raises
        ------
        ConfigError
            No event with an item of the catalogue, a setting out of range, or a memory limit that
            is too small; the message says one that is not.
        IoError
            The folder for temporary files cannot be written to, or is full.
        StoppedError
            `progress` returned False.
        """
        here = "CoInteractionGraph.build"
        _expect_catalog(catalog, here, "catalog")
        events = Events.of(log, catalog.index, here)
        settings = as_config(GraphConfig, config, "config")
        if not log.has_times:
            expect_no_window(settings.window_seconds, here)
        with Monitor(progress, here) as monitor:
            core = _core.ItemGraph.build(
                **events.arrays(),
                user_count=len(log.users),
                type_names=list(catalog.type_names),
                type_offsets=catalog.type_offsets.tolist(),
                config=to_json(graph=settings),
                threads=thread_count(threads, here),
                progress=monitor.step,
            )
        graph = cls(core, catalog.ids, catalog.type_names, catalog.type_offsets)
        graph._events_dropped = events.dropped
        return graph

    @classmethod
    def of_model(cls, model: _core.Recommender, item_ids: Array) -> CoInteractionGraph:
        """Return the graph of a fitted model."""
        lower, upper, count, weight = model.links
        core = _core.ItemGraph.from_links(
            type_names=model.type_names,
            type_offsets=model.type_offsets,
            lower=lower,
            upper=upper,
            count=count,
            weight=weight,
        )
        offsets = np.array(model.type_offsets)
        graph = cls(core, item_ids, tuple(model.type_names), offsets)
        graph._counts = model.graph_report
        return graph

    def __len__(self) -> int:
        return len(self.lower)

    def __repr__(self) -> str:
        return f"CoInteractionGraph({len(self.item_ids):,} items, {len(self):,} links)"

    def _repr_html_(self) -> str:
        return _html.pairs(self.report().shown(), repr(self))

    def edges(self) -> tuple[Array, Array]:
        """Return both ends of every link as external ids."""
        return self.item_ids[self.lower], self.item_ids[self.upper]

    def degrees(self) -> NDArray[np.int64]:
        """Return the number of links of every item, in the order of `item_ids`."""
        n = len(self.item_ids)
        return np.bincount(self.lower, minlength=n) + np.bincount(self.upper, minlength=n)

    def relation_counts(self) -> NDArray[np.int64]:
        """Return links between every two types, (n_types, n_types), symmetric."""
        n = len(self.type_names)
        kind = np.searchsorted(self.type_offsets, np.arange(len(self.item_ids)), side="right") - 1
        low, high = kind[self.lower], kind[self.upper]
        upper = np.bincount(low * n + high, minlength=n * n).reshape(n, n)
        return upper + upper.T - np.diag(np.diag(upper))

    def report(self) -> CoInteractionReport:
        """Return what became of events and pairs, and how the links spread over the items."""
        return CoInteractionReport.of(self._counts, self.degrees(), self._events_dropped)


class HGNN(Parameters):
    """Heterogeneous GraphSAGE over an item graph, trained on its links, inductive.

    Per layer h_c = act(W_c h_c + sum_r max_{c'} relu(W_r h_c' + b_r)), at the end unit rows; r are
    the item types around c. Source: Damianou et al. 2024 (arXiv 2403.07478), eqs. 1-4 of De Nadai
    et al. 2024.

    Parameters
    ----------
    config : HGNNConfig or mapping, optional
    seed : int
    threads : int, optional
    device : str
        "cpu", or "cuda" or "cuda:N" to train and answer on that GPU. Arrays then may lie there,
        too: those of PyTorch, CuPy and others that speak DLPack, float32, with rows in one piece.
        What is made of such arrays comes back as a `DeviceArray`.

    Attributes
    ----------
    vectors_ : ndarray or DeviceArray of float32, shape (n_items, config.layers[-1])
        In the order of the graph's `item_ids`.
    history_ : TrainingHistory

    Raises
    ------
    ConfigError
        An unknown device.
    NotCompiledError, DeviceError
        No CUDA in this build, or no such device on this machine.
    """

    _groups: ClassVar[dict[str, Any]] = {"config": HGNNConfig}
    _learned: ClassVar[tuple[str, ...]] = ("history_",)

    def __init__(
        self,
        *,
        config: HGNNConfig | Mapping[str, Any] | None = None,
        seed: int = 0,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        device_number(device, "HGNN")  # now, not after an hour of other work
        self.config = config
        self.seed = seed
        self.threads = threads
        self.device = device

    def fit(
        self, graph: CoInteractionGraph, features: Any, progress: ProgressArgument = True
    ) -> Self:
        """Train on the links of a graph.

        Parameters
        ----------
        graph : CoInteractionGraph
        features : array, shape (n_items, d)
            In the order of the graph's `item_ids` (rows `catalog.rows` of arrays in frame order);
            of the CPU or on `device`.
        progress : bool or function
            As in `Recommender.fit`; a stopped training leaves usable vectors.
        """
        here = "HGNN.fit"
        if not isinstance(graph, CoInteractionGraph):
            raise DTypeError(describe(here, "graph", type(graph).__name__, "a CoInteractionGraph"))
        device = device_number(self.device, here)
        x = matrix_on(features, device, here, "features", len(graph.item_ids), "item")
        settings = to_json(
            hgnn=as_config(HGNNConfig, self.config, "config"), seed=seed_of(self.seed, here)
        )
        core = _core.HgnnModel(settings)
        with Monitor(progress, here) as monitor:
            history, stopped_by = core.fit(
                graph._core,
                x,
                threads=thread_count(self.threads, here),
                device=device,
                progress=monitor.step,
            )
        self._core, self._graph, self._features = core, graph, x
        self.history_ = TrainingHistory.of(history)
        if stopped_by is not None:  # by Ctrl-C too, which leaves usable vectors
            raise stopped_by
        return self

    def _fitted(self, function: str) -> _core.HgnnModel:
        core: _core.HgnnModel | None = getattr(self, "_core", None)
        if core is None:
            raise NotFittedError(
                describe(
                    function, "model", "one that is not fitted", "a fitted model", "Call fit first."
                )
            )
        return core

    @property
    def vectors_(self) -> Any:
        """Vectors of all items of the graph, unit rows."""
        here = "HGNN.vectors_"
        vectors = self._fitted(here).embed(
            self._graph._core,
            self._features,
            threads=thread_count(self.threads, here),
            device=device_beside(self.device, here, self._features),
        )
        return result(vectors)

    def parameters(self) -> dict[str, Floats]:
        """Return copies of all tensors by name."""
        return self._fitted("HGNN.parameters").parameters()

    def embed_new(self, new_items: Catalog, features: Any, edges: Any = None) -> Any:
        """Return vectors of new items in the order of their frame; see `Recommender.embed_items`.

        Here `features` are an array in the order of the new items' frame.
        """
        here = "HGNN.embed_new"
        core = self._fitted(here)
        _expect_catalog(new_items, here, "new_items")
        device = device_beside(self.device, here, self._features)
        x = matrix_on(features, device, here, "features", len(new_items), "new item")
        if x.shape[1] != self._features.shape[1]:
            raise ShapeError(
                describe(
                    here,
                    "features",
                    f"{x.shape[1]} columns",
                    f"{self._features.shape[1]}, as in training",
                )
            )
        names = IdIndex(np.array(self._graph.type_names))
        codes = names.expect(np.array(new_items.type_names), here, "types", "graph")
        index = IdIndex(self._graph.item_ids)
        new, known = read_edges(edges, new_items, index, len(index), here)
        vectors = core.embed_new(
            self._graph._core,
            self._features,
            types=codes[new_items.types],
            new_features=rows_in(x, new_items.rows),
            link_new=new,
            link_item=known,
            threads=thread_count(self.threads, here),
            device=device,
        )
        return result(rows_in(vectors, np.argsort(new_items.rows)))


class TwoTower(Parameters):
    """User tower and item tower into one vector space.

    The user tower reads the mean vector of the history per item type and, if given, user columns,
    never a user id; the item tower reads features, type and vector. Source: De Nadai et al. 2024
    (arXiv 2403.05185), section 4.2.

    Parameters
    ----------
    config : TwoTowerConfig or mapping, optional
    seed : int
    threads : int, optional
    device : str
        As in `HGNN`.

    Attributes
    ----------
    item_vectors_ : ndarray or DeviceArray of float32, shape (n_items, config.layers[-1])
        Unit rows in the inner order of the catalogue.
    item_bias_ : ndarray of float32, shape (n_items,)
        The recent-trend prior that serving adds to every score.
    history_ : TrainingHistory
    """

    _groups: ClassVar[dict[str, Any]] = {"config": TwoTowerConfig}
    _learned: ClassVar[tuple[str, ...]] = ("history_",)

    def __init__(
        self,
        *,
        config: TwoTowerConfig | Mapping[str, Any] | None = None,
        seed: int = 0,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        device_number(device, "TwoTower")  # now, not after an hour of other work
        self.config = config
        self.seed = seed
        self.threads = threads
        self.device = device

    def fit(
        self,
        train: InteractionLog,
        catalog: Catalog,
        features: Any,
        vectors: Any,
        users: Any = None,
        progress: ProgressArgument = True,
        *,
        cold_vectors: Any = None,
    ) -> Self:
        """Train on the strong interactions of a log.

        Parameters
        ----------
        train : InteractionLog
        catalog : Catalog
        features : array, shape (n_items, d)
            What the item tower reads besides the vectors, in the catalogue's inner order; like all
            arrays here, of the CPU or on `device`.
        vectors : array, shape (n_items, v)
            HGNN vectors, or text vectors for towers alone; in the inner order.
        users : frame, optional
            As in `Recommender.fit`.
        progress : bool or function
            As in `Recommender.fit`.
        cold_vectors : array, shape (n_items, v), optional
            What `vectors` would be if no item had links (`HGNN.embed_new` of the catalogue); needed
            with `cold_items`.
        """
        here = "TwoTower.fit"
        _expect_catalog(catalog, here, "catalog")
        events = Events.of(train, catalog.index, here).sorted()
        device = device_number(self.device, here)
        x = matrix_on(features, device, here, "features", len(catalog), "item")
        z = matrix_on(vectors, device, here, "vectors", len(catalog), "item")
        x, z = together(device, x, z)
        cold = None
        if cold_vectors is not None:
            cold = matrix_on(cold_vectors, device, here, "cold_vectors", len(catalog), "item")
        user_features = (
            None if users is None else UserFeatures.learn(users, str(train.columns["user"]), here)
        )
        rows = (
            None if user_features is None else user_features.rows_for(users, train.users, here)[0]
        )
        config = as_config(TwoTowerConfig, self.config, "config")
        settings = to_json(
            towers=config if train.has_times else without_times(config, here),
            seed=seed_of(self.seed, here),
        )
        core = _core.TwoTowerModel(settings)
        with Monitor(progress, here) as monitor:
            history, stopped_by = core.fit(
                **events.arrays(),
                user_count=len(train.users),
                type_names=list(catalog.type_names),
                type_offsets=catalog.type_offsets.tolist(),
                features=x,
                vectors=z,
                cold_vectors=cold,
                user_features=rows,
                threads=thread_count(self.threads, here),
                device=device,
                progress=monitor.step,
            )
        self._core, self._catalog = core, catalog
        self._features, self._vectors, self._users = x, z, user_features
        self.history_ = TrainingHistory.of(history)
        if stopped_by is not None:  # by Ctrl-C too, which leaves usable towers
            raise stopped_by
        return self

    def _fitted(self, function: str) -> _core.TwoTowerModel:
        core: _core.TwoTowerModel | None = getattr(self, "_core", None)
        if core is None:
            raise NotFittedError(
                describe(
                    function, "model", "one that is not fitted", "a fitted model", "Call fit first."
                )
            )
        return core

    @property
    def item_vectors_(self) -> Any:
        """Unit vectors of the catalogue's items."""
        here = "TwoTower.item_vectors_"
        vectors = self._fitted(here).item_vectors(
            types=self._catalog.types,
            features=self._features,
            vectors=self._vectors,
            threads=thread_count(self.threads, here),
            device=device_beside(self.device, here, self._vectors),
        )
        return result(vectors)

    @property
    def item_bias_(self) -> Floats:
        """The recent-trend prior."""
        return self._fitted("TwoTower.item_bias_").item_bias

    def parameters(self) -> dict[str, Floats]:
        """Return copies of all tensors by name."""
        return self._fitted("TwoTower.parameters").parameters()

    def user_vectors(self, histories: Any, user_ids: Any = None, users: Any = None) -> Any:
        """Return unit user vectors, (n_users, d), from histories as in `Recommender.recommend`."""
        here = "TwoTower.user_vectors"
        core = self._fitted(here)
        names = None if user_ids is None else as_ids(user_ids, here, "user_ids")
        given, names = read_histories(histories, names, self._catalog.index, here)
        rows = None
        if users is not None:
            if self._users is None or names is None:
                expected = "None: " + (
                    "the towers were fitted without one"
                    if self._users is None
                    else "the histories name no users"
                )
                raise ConfigError(describe(here, "users", "a frame", expected))
            rows = self._users.rows_for(users, names, here)[0]
        vectors = core.user_vectors(
            offsets=given.offsets,
            items=given.items,
            strong=given.strong,
            type_names=list(self._catalog.type_names),
            type_offsets=self._catalog.type_offsets.tolist(),
            vectors=self._vectors,
            user_features=rows,
            threads=thread_count(self.threads, here),
            device=device_beside(self.device, here, self._vectors),
        )
        return result(vectors)


def _expect_catalog(value: Any, function: str, argument: str) -> None:
    if not isinstance(value, Catalog):
        raise DTypeError(describe(function, argument, type(value).__name__, "a Catalog"))


def show_config() -> dict[str, Any]:
    """Return version, instruction set, threads, and the default settings of the pipeline."""
    return {**_core.show_config(), "defaults": json.loads(_core.default_config())}
