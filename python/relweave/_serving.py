"""What a fitted recommender answers: recommendations, scores, neighbours, new items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from . import _core
from ._events import Histories, read_edges, read_histories
from ._features import Floats
from ._fitted import Fitted
from ._frames import Array
from ._ids import Codes, IdIndex, as_ids, external
from .catalog import Catalog
from .config import device_number, flag, thread_count, whole
from .errors import ConfigError, DTypeError, describe


class Serving(Fitted):
    """The part of `Recommender` that answers. `threads` and `device` are its settings."""

    threads: int | None
    device: str

    def _where(self, here: str) -> dict[str, int]:
        """Return what the core takes to run a call."""
        return {
            "threads": thread_count(self.threads, here),
            "device": device_number(self.device, here),
        }

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
            Columns about the users, as in `fit`; replaces what training knew of them.

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
            Unknown types or items, k below 1, or on a GPU above 2048.
        NotFittedError
            Before `fit`.
        """
        here = "Recommender.recommend"
        model = self._fitted(here)
        names = None if user_ids is None else as_ids(user_ids, here, "user_ids")
        request: dict[str, Any] = {
            "k": whole(k, here, "k"),
            "exclude_seen": flag(exclude_seen, here, "exclude_seen"),
            "types": self._type_codes(types, here),
            **self._where(here),
        }
        if items is not None:
            allowed = self._items.expect(as_ids(items, here, "items"), here, "items", "model")
            request["allowed"] = np.unique(allowed)
        if histories is not None:
            given, names = read_histories(histories, names, self._items, here)
            if names is not None:
                self._users.expect_kind(names, here, "user_ids", "model")
            answer = self._recommend_histories(model, given, names, users, request, here)
        elif names is None:
            raise ConfigError(describe(here, "user_ids", "None", "user ids, or histories"))
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
        if users is not None:  # what is told now counts for known users too
            stored = Histories(*model.histories).take(codes)
            return self._recommend_histories(model, stored, names, users, request, here)
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
            if users is not None:
                raise ConfigError(
                    describe(here, "users", "a frame", "None, since the histories name no users")
                )
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
        codes = self._users.find(names)
        known = codes >= 0
        scores = np.empty((len(names), len(self.item_ids_)), dtype=np.float32)
        if known.any():
            scores[known] = model.score_users(codes[known], **self._where(here))
        if not known.all():
            cold = names[~known]
            if self._user_features is None:  # then one answer serves all of them
                cold = cold[:1]
            none = Histories.empty(len(cold))
            scores[~known] = model.score(
                none.offsets,
                none.items,
                none.strong,
                user_features=self._user_rows(cold, None, here),
                **self._where(here),
            )
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
        indices, scores = model.similar_items(codes, k=whole(k, here, "k"), **self._where(here))
        return external(self.item_ids_, indices), scores

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
            **self._where(here),
        }
