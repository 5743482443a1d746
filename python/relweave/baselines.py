"""Classical recommenders with the interface of `Recommender`, to compare with.

All are exact and deterministic, need NumPy only, and keep at most one matrix of items x items. The
defaults are the settings chosen on the validation split of X-Wines. Any of them, `Recommender`, and
any object with the attributes of `evaluation.Scorer` can be given to `evaluate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ._events import Events, take_rows
from ._features import Floats, ItemFeatures
from ._frames import Array
from ._ids import Codes, IdIndex, as_ids, external
from ._times import DAY
from .catalog import Catalog
from .config import flag, number, whole
from .errors import ConfigError, DTypeError, NotFittedError, describe
from .log import InteractionLog

__all__ = ["EASE", "Baseline", "ItemKNN", "Popularity", "TextKNN", "Trend", "VectorKNN"]

_BLOCK = 2048  # users at a time: bounds the memory of a dense block


class Baseline:
    """Fitting, lookup and ranking shared by all baselines.

    Attributes
    ----------
    item_ids_, item_types_, type_names_, user_ids_ : arrays and tuple
        As in `Recommender`.
    """

    item_ids_: Array
    item_types_: Codes
    type_names_: tuple[str, ...]
    user_ids_: Array
    _events: Events
    _offsets: NDArray[np.int64]
    _users: IdIndex

    def fit(self, train: InteractionLog, catalog: Catalog, features: Any = None) -> Self:
        """Learn from a log; `features` as in `Recommender.fit`, where the baseline reads them."""
        here = f"{type(self).__name__}.fit"
        if not isinstance(catalog, Catalog):
            raise DTypeError(describe(here, "catalog", type(catalog).__name__, "a Catalog"))
        before = dict(self.__dict__)
        try:
            self._fit(train, catalog, features, here)
        except BaseException:  # half fitted is not fitted
            self.__dict__ = before
            raise
        return self

    def _fit(self, train: InteractionLog, catalog: Catalog, features: Any, here: str) -> None:
        self._events = Events.of(train, catalog.index, here).sorted()
        self.item_ids_, self.item_types_ = catalog.ids, catalog.types
        self.type_names_, self.user_ids_ = catalog.type_names, train.users
        self._offsets = np.searchsorted(self._events.user, np.arange(len(train.users) + 1))
        self._users = IdIndex(train.users)
        self._end = int(train.times.max()) + 1
        self._learn(catalog, features, here)

    def _learn(self, catalog: Catalog, features: Any, here: str) -> None:
        raise NotImplementedError

    def _scores(self, history: Floats) -> Floats:
        """Return scores for dense weighted histories, (n, n_items)."""
        raise NotImplementedError

    def _weights(self) -> Floats:
        """Return the weight of every event in a history."""
        return np.ones(len(self._events.item), dtype=np.float32)

    def score_users(self, user_ids: Any) -> Floats:
        """Return scores of all items, (n_users, n_items); unknown users have no history."""
        here = f"{type(self).__name__}.score_users"
        self._expect_fitted(here)
        codes = self._codes(user_ids, here)
        weights = self._weights()
        parts = [
            self._scores(self._dense(block, weights))
            for block in np.split(codes, range(_BLOCK, len(codes), _BLOCK))
        ]
        return np.concatenate(parts)

    def recommend(
        self, user_ids: Any, k: int = 10, *, exclude_seen: bool = True
    ) -> tuple[Array, Floats]:
        """Return ids and scores of the k best items, (n_users, k), as `Recommender.recommend`."""
        here = f"{type(self).__name__}.recommend"
        k = whole(k, here, "k")
        scores = self.score_users(user_ids)
        if flag(exclude_seen, here, "exclude_seen"):
            offsets, items = self.seen(user_ids)
            rows = np.repeat(np.arange(len(scores)), np.diff(offsets))
            scores[rows, items] = -np.inf
        width = min(k, scores.shape[1])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :width]
        top = np.take_along_axis(scores, best, axis=1)
        best = np.where(np.isneginf(top), -1, best)
        padding = ((0, 0), (0, k - width))
        indices = np.pad(best, padding, constant_values=-1)
        return external(self.item_ids_, indices), np.pad(top, padding, constant_values=-np.inf)

    def seen(self, user_ids: Any) -> tuple[NDArray[np.int64], Codes]:
        """Return what users touched in training: offsets (n + 1), and positions in `item_ids_`."""
        here = f"{type(self).__name__}.seen"
        self._expect_fitted(here)
        codes = self._codes(user_ids, here)
        offsets, places = take_rows(self._offsets, codes)
        return offsets, self._events.item[places]

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of training events of every item."""
        self._expect_fitted(f"{type(self).__name__}.item_counts")
        return np.bincount(self._events.item, minlength=len(self.item_ids_))

    def _codes(self, user_ids: Any, here: str) -> Codes:
        names = as_ids(user_ids, here, "user_ids")
        self._users.expect_kind(names, here, "user_ids", "model")
        return self._users.find(names)

    def _expect_fitted(self, here: str) -> None:
        if not hasattr(self, "_users"):
            raise NotFittedError(
                describe(
                    here, "model", "one that is not fitted", "a fitted model", "Call fit first."
                )
            )

    def _dense(self, users: Codes, weights: Floats) -> Floats:
        """Return (n, n_items) histories of users, with the weights of their events added up."""
        offsets, events = take_rows(self._offsets, users)
        rows = np.repeat(np.arange(len(users)), np.diff(offsets))
        cells = rows * len(self.item_ids_) + self._events.item[events]
        flat = np.bincount(
            cells, weights=weights[events], minlength=len(users) * len(self.item_ids_)
        )
        return flat.reshape(len(users), -1).astype(np.float32)

    def _blocks(self, weights: Floats) -> Iterator[Floats]:
        """Yield the dense histories of all users, block by block."""
        for start in range(0, len(self.user_ids_), _BLOCK):
            stop = min(start + _BLOCK, len(self.user_ids_))
            yield self._dense(np.arange(start, stop, dtype=np.int32), weights)

    def _signal_weights(self, weak: float, half_life_days: float | None = None) -> Floats:
        """Return 1 for strong and `weak` for weak events, halved every `half_life_days`."""
        weights = np.where(self._events.strong > 0, 1.0, weak)
        if half_life_days is not None:
            age = (self._end - self._events.time) / (half_life_days * DAY)
            weights = weights * 0.5**age
        return weights.astype(np.float32)

    def __repr__(self) -> str:
        settings = {k: v for k, v in vars(self).items() if not k.startswith("_") and k[-1] != "_"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in settings.items())})"


class Popularity(Baseline):
    """Items by their number of strong events, the same for all users.

    Parameters
    ----------
    days : float, optional
        Count only the last days of the log.
    """

    def __init__(self, days: float | None = None) -> None:
        self.days = days

    def _learn(self, catalog: Catalog, features: Any, here: str) -> None:
        counted = self._events.strong > 0
        if self.days is not None:
            days = number(self.days, here, "days", positive=True)
            counted &= self._events.time >= self._end - days * DAY
        items = self._events.item[counted]
        self._counts = np.bincount(items, minlength=len(catalog)).astype(np.float32)

    def _scores(self, history: Floats) -> Floats:
        return np.tile(self._counts, (len(history), 1))


class VectorKNN(Baseline):
    """Inner product of an item's vector with the sum of those in the history.

    Parameters
    ----------
    weak_weight : float
        Of weak signals in the history.
    """

    def __init__(self, weak_weight: float = 0.0) -> None:
        self.weak_weight = weak_weight

    def _learn(self, catalog: Catalog, features: Any, here: str) -> None:
        number(self.weak_weight, here, "weak_weight")
        _, self._vectors = ItemFeatures.learn(catalog, features, here)

    def _weights(self) -> Floats:
        return self._signal_weights(self.weak_weight)

    def _scores(self, history: Floats) -> Floats:
        return np.asarray((history @ self._vectors) @ self._vectors.T, dtype=np.float32)


class TextKNN(VectorKNN):
    """`VectorKNN` on text vectors or an encoder: what language alone says."""


class ItemKNN(Baseline):
    """Items similar to those of the history, by who touched them.

    Parameters
    ----------
    weighting : {"cosine", "bm25"}
        Of users and items; BM25 with k1 = 1.2, b = 0.75.
    neighbors : int
        Similar items kept per item.
    weak_weight : float
        Of weak signals.
    """

    def __init__(
        self,
        weighting: Literal["cosine", "bm25"] = "cosine",
        neighbors: int = 1000,
        weak_weight: float = 0.3,
    ) -> None:
        self.weighting = weighting
        self.neighbors = neighbors
        self.weak_weight = weak_weight

    def _learn(self, catalog: Catalog, features: Any, here: str) -> None:
        if self.weighting not in ("cosine", "bm25"):
            raise ConfigError(
                describe(here, "weighting", repr(self.weighting), "'cosine' or 'bm25'")
            )
        neighbors = whole(self.neighbors, here, "neighbors")
        weights = self._signal_weights(number(self.weak_weight, here, "weak_weight"))
        weights = self._bm25(weights) if self.weighting == "bm25" else self._unit(weights)
        similar = np.zeros((len(catalog), len(catalog)), dtype=np.float32)
        for block in self._blocks(weights):
            similar += block.T @ block
        if neighbors < len(catalog):
            weakest = np.argsort(-similar, axis=1, kind="stable")[:, neighbors:]
            np.put_along_axis(similar, weakest, 0, axis=1)
        np.fill_diagonal(similar, 0)
        self._similar = similar

    def _unit(self, weights: Floats) -> Floats:
        norm = np.sqrt(np.bincount(self._events.item, weights=weights.astype(np.float64) ** 2))
        return (weights / np.maximum(norm[self._events.item], 1e-30)).astype(np.float32)

    def _bm25(self, weights: Floats, k1: float = 1.2, b: float = 0.75) -> Floats:
        item, user, n = self._events.item, self._events.user, len(self.item_ids_)
        rarity = np.log(n) - np.log1p(np.bincount(user, minlength=len(self.user_ids_)))
        length = np.bincount(item, weights=weights, minlength=n)
        norm = 1 - b + b * length / length.mean()
        scaled = weights * (k1 + 1) / (k1 * norm[item] + weights) * rarity[user]
        return np.asarray(scaled, dtype=np.float32)

    def _weights(self) -> Floats:
        return self._signal_weights(self.weak_weight)

    def _scores(self, history: Floats) -> Floats:
        return np.asarray(history @ self._similar, dtype=np.float32)


class EASE(Baseline):
    """Linear item-to-item model in closed form (Steck 2019, arXiv 1905.03375).

    Parameters
    ----------
    regularization : float
    weak_weight : float
        Of weak signals.
    half_life_days : float, optional
        Halves the weight of old events in the history that is scored.
    """

    def __init__(
        self,
        regularization: float = 300.0,
        weak_weight: float = 0.3,
        half_life_days: float | None = 730.0,
    ) -> None:
        self.regularization = regularization
        self.weak_weight = weak_weight
        self.half_life_days = half_life_days

    def _learn(self, catalog: Catalog, features: Any, here: str) -> None:
        gram = np.zeros((len(catalog), len(catalog)))
        if self.half_life_days is not None:
            number(self.half_life_days, here, "half_life_days", positive=True)
        weights = self._signal_weights(number(self.weak_weight, here, "weak_weight"))
        for block in self._blocks(weights):
            gram += block.T @ block
        ridge = number(self.regularization, here, "regularization", positive=True)
        gram[np.diag_indices_from(gram)] += ridge
        inverse = np.linalg.inv(gram)
        coefficients = -inverse / np.diag(inverse)
        np.fill_diagonal(coefficients, 0)
        self._coefficients = coefficients.astype(np.float32)

    def _weights(self) -> Floats:
        return self._signal_weights(self.weak_weight, self.half_life_days)

    def _scores(self, history: Floats) -> Floats:
        return np.asarray(history @ self._coefficients, dtype=np.float32)


class Trend(Baseline):
    """Another baseline's standardised scores plus those of recent popularity.

    Parameters
    ----------
    base : Baseline, optional
        By default `ItemKNN("bm25")`, the best simple baseline on X-Wines.
    beta : float
        Weight of the standardised log count of recent strong events.
    days : float
        What counts as recent.
    """

    def __init__(self, base: Baseline | None = None, beta: float = 1.0, days: float = 90.0) -> None:
        self.base = base
        self.beta = beta
        self.days = days

    def fit(self, train: InteractionLog, catalog: Catalog, features: Any = None) -> Self:
        """Fit the other baseline too."""
        self._base = ItemKNN("bm25") if self.base is None else self.base
        self._base.fit(train, catalog, features)
        return super().fit(train, catalog, features)

    def _learn(self, catalog: Catalog, features: Any, here: str) -> None:
        number(self.beta, here, "beta")
        start = self._end - number(self.days, here, "days", positive=True) * DAY
        recent = (self._events.time >= start) & (self._events.strong > 0)
        count = np.log1p(np.bincount(self._events.item[recent], minlength=len(catalog)))
        self._trend = ((count - count.mean()) / max(count.std(), 1e-9)).astype(np.float32)

    def score_users(self, user_ids: Any) -> Floats:
        """Return scores of all items, (n_users, n_items)."""
        self._expect_fitted("Trend.score_users")
        scores = self._base.score_users(user_ids)
        mean, deviation = scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)
        standard = np.where(deviation > 0, (scores - mean) / np.maximum(deviation, 1e-9), 0)
        return np.asarray(standard + self.beta * self._trend, dtype=np.float32)
