"""The state of a fitted recommender: what it knows, under external ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._events import Histories
from ._features import Floats, ItemFeatures, UserFeatures
from ._fit_report import FitReport
from ._frames import Array
from ._ids import Codes, IdIndex, as_ids
from ._params import Parameters
from .errors import ConfigError, NotFittedError, describe, near_names
from .stages import CoInteractionGraph, TrainingHistory


class Fitted(Parameters):
    """What `Recommender` knows after a fit, and how it is asked for."""

    _learned: ClassVar[tuple[str, ...]] = (
        "columns_",
        "fit_report_",
        "history_",
        "item_ids_",
        "item_types_",
        "type_names_",
        "user_ids_",
    )
    fit_report_: FitReport
    columns_: dict[str, Any]

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

    def _model_or_raise(self, function: str) -> _core.Recommender:
        model: _core.Recommender | None = getattr(self, "_model", None)
        if model is None:
            raise NotFittedError(
                describe(
                    function,
                    "model",
                    "one that is not fitted",
                    "a fitted model",
                    "Call fit first, or rw.load.",
                )
            )
        return model

    def _fitted(self, function: str) -> _core.Recommender:
        model = self._model_or_raise(function)
        if not model.fitted:
            raise NotFittedError(
                describe(
                    function,
                    "model",
                    "one whose towers are not trained",
                    "a fitted model",
                    "The training was stopped before; call fit again.",
                )
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
        histories = Histories(*self._fitted(here).histories)
        names = as_ids(user_ids, here, "user_ids")
        self._users.expect_kind(names, here, "user_ids", "model")
        given = histories.take(self._users.find(names))
        return given.offsets, given.items

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of training events of every item."""
        _, items, _ = self._fitted("Recommender.item_counts").histories
        return np.bincount(items, minlength=len(self.item_ids_))

    def _type_codes(self, types: Sequence[str] | None, here: str) -> list[int]:
        if types is None:
            return []
        types = (
            [types] if isinstance(types, str) or not isinstance(types, Iterable) else list(types)
        )
        if len(types) == 0:
            raise ConfigError(describe(here, "types", "none", "at least one type, or None for all"))
        for name in types:
            if name not in self.type_names_:
                raise ConfigError(
                    describe(
                        here,
                        "types",
                        repr(name),
                        f"types of the model: {', '.join(self.type_names_)}",
                        near_names(name, self.type_names_),
                    )
                )
        return [self.type_names_.index(name) for name in types]
