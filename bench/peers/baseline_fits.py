"""Fits of the classical models on X-Wines against implicit's, and of the towers beside ALS."""

from __future__ import annotations

from typing import Any

import numpy as np

import relweave as rw
from comparison import Comparison, compared, in_turns

NEEDS = ("implicit", "pandas", "scipy")
KINDS = {"item_cosine_fit_vs_implicit": "cosine", "bm25_fit_vs_implicit": "bm25"}
NAMES = (*KINDS, "two_tower_fit_beside_als")
NEIGHBORS = 100
WEAK = 0.3
LEAST_SECONDS = 0.2
ROUNDING = 1e-6  # relative, 8 times the epsilon of float32; the largest seen is 2.8e-7


def training_part(users: int | None) -> Any:
    """Return the protocol's data, of the first users only if there is a number."""
    from xwines_protocol import Data

    data = Data("test")
    if users is not None:
        kept = data.u < users
        data.u, data.i, data.t, data.s = (c[kept] for c in (data.u, data.i, data.t, data.s))
        data.n_users = users
    return data


def same_neighbors(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Compare dense similarities; who is kept may differ only where the weakest of a row tie."""
    kept = ours != 0, theirs != 0
    if not np.array_equal(kept[0].sum(1), kept[1].sum(1)):
        return False
    both = kept[0] & kept[1]
    scale = np.maximum(np.abs(ours), np.abs(theirs))
    if not (np.abs(ours - theirs) <= ROUNDING * scale)[both].all():
        return False
    weakest = np.where(kept[0], ours, np.inf).min(1, keepdims=True)
    tied = np.abs(scale - weakest) <= 2 * ROUNDING * weakest
    return bool(tied[kept[0] ^ kept[1]].all())


def without_own(similarity: Any) -> np.ndarray:
    dense = similarity.toarray()
    np.fill_diagonal(dense, 0)
    return np.asarray(dense)


def item_models(
    data: Any, threads: int, repeats: int, neighbors: int = NEIGHBORS
) -> list[Comparison]:
    """Compare the similarities, then time fits from the columns of the log."""
    from baselines import fitted, histories, item_knn_model
    from relweave_two_tower_hgnn import frames

    catalog, log = frames(data)
    order = np.argsort(catalog.ids)
    found = []

    def history():  # in float32 implicit adds up lengths in it, too, and BM25 is off by 1e-5
        return histories(data, WEAK).astype(np.float64)

    for name, kind in KINDS.items():

        def ours(kind=kind):
            return rw.baselines.ItemKNN(kind, neighbors, WEAK).fit(log, catalog)

        def peer(kind=kind):
            return fitted(item_knn_model(kind, neighbors, threads), history())

        agree = same_neighbors(
            ours()._similar[np.ix_(order, order)], without_own(peer().similarity)
        )
        times = in_turns(ours, peer, 2 * repeats + 1, LEAST_SECONDS, threads)
        found.append(
            compared(name, "implicit, nearest_neighbours", threads, agree, times, {"k": neighbors})
        )
    return found


def towers_and_als(data: Any, threads: int, repeats: int, epochs: int | None) -> Comparison:
    """Time the whole fit of two towers without HGNN, and one of ALS; they are not one model."""
    from baselines import ALS, als_model, fitted, histories
    from relweave_two_tower_hgnn import frames

    catalog, log = frames(data)
    vectors = data.text()
    settings: dict[str, Any] = {} if epochs is None else {"towers": {"epochs": epochs}}
    models: dict[str, Any] = {}

    def ours() -> None:
        model = rw.Recommender(use_hgnn=False, threads=threads, **settings)
        models["ours"] = model.fit(log, catalog, features=vectors, progress=False)

    def peer() -> None:
        models["peer"] = fitted(als_model(**ALS, threads=threads), histories(data))

    times = in_turns(ours, peer, repeats, threads=threads)
    factors = models["peer"].user_factors, models["peer"].item_factors
    agree = all(np.isfinite(v).all() for v in (*factors, models["ours"].item_vectors_))
    return compared(
        NAMES[-1],
        f"implicit, AlternatingLeastSquares, {ALS['factors']} factors",
        threads,
        agree,
        times,
        {"iterations": models["peer"].iterations},
        f"`{NAMES[-1]}`: another model, of another quality; what agrees is that both are finite.",
    )


def compare(
    threads: int, repeats: int, users: int | None = None, epochs: int | None = None
) -> list[Comparison]:
    data = training_part(users)
    return [
        *item_models(data, threads, repeats),
        towers_and_als(data, threads, repeats, epochs),
    ]
