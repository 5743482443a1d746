"""Classical baselines on X-Wines, scored on the test split.

Their settings were chosen on the validation split. Usage: python bench/peers/baselines.py
[name,...]; needs the package `implicit`.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from xwines_protocol import HEAD, Data, row

Scorer = Callable[[np.ndarray], np.ndarray]  # user ids -> (len, n_items)
DAY = 86400
THREADS = 2


def histories(d: Data, weak: float = 1.0, half_life: float | None = None) -> sp.csr_matrix:
    """Users x items: strong counts 1, weak counts `weak`, halved every `half_life` days."""
    weight = np.where(d.s, 1.0, weak).astype(np.float32)
    if half_life:
        weight = weight * 0.5 ** ((d.cut - d.t) / (half_life * DAY))
    matrix = sp.csr_matrix((weight.astype(np.float32), (d.u, d.i)), (d.n_users, d.n_items))
    matrix.eliminate_zeros()
    return matrix


def popularity(d: Data, days: float | None = None) -> Scorer:
    recent = np.ones(len(d.u), bool) if days is None else d.t >= d.cut - days * DAY
    counts = np.bincount(d.i[recent & d.s], minlength=d.n_items).astype(np.float32)
    return lambda users: np.tile(counts, (len(users), 1))


def text_knn(d: Data, weak: float) -> Scorer:
    history, text = histories(d, weak), d.text()
    return lambda users: (history[users] @ text) @ text.T


def fitted(model: Any, history: sp.csr_matrix) -> Any:
    """Fit a model of implicit, which brings its own threads and asks for one of BLAS."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the kind of matrix that it makes itself
        model.fit(history, show_progress=False)
    return model


def item_knn_model(kind: str, neighbours: int, threads: int = THREADS) -> Any:
    from implicit import nearest_neighbours as nn

    models = {"cosine": nn.CosineRecommender, "bm25": nn.BM25Recommender}
    return models[kind](K=neighbours, num_threads=threads)


def item_knn(d: Data, kind: str, neighbours: int, weak: float) -> Scorer:
    history = histories(d, weak)
    model = fitted(item_knn_model(kind, neighbours), history)
    similarity = model.similarity.toarray().astype(np.float32)
    np.fill_diagonal(similarity, 0)
    return lambda users: history[users] @ similarity


def ease(d: Data, ridge: float, weak: float, half_life: float) -> Scorer:
    """Steck 2019, Embarrassingly Shallow Autoencoders (arXiv 1905.03375)."""
    seen = histories(d, weak)
    gram = (seen.T @ seen).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    weights = weights.astype(np.float32)
    history = histories(d, weak, half_life)
    return lambda users: history[users] @ weights


def als_model(
    factors: int, regularization: float, alpha: float, seed: int = 0, threads: int = THREADS
) -> Any:
    from implicit.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        return AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=alpha,
            iterations=15,
            random_state=seed,
            num_threads=threads,
        )


def als(d: Data, factors: int, regularization: float, alpha: float, seed: int = 0) -> Scorer:
    model = fitted(als_model(factors, regularization, alpha, seed), histories(d))
    return lambda users: model.user_factors[users] @ model.item_factors.T


def bpr(d: Data, factors: int, rate: float, regularization: float, seed: int = 0) -> Scorer:
    from implicit.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=factors,
        learning_rate=rate,
        regularization=regularization,
        iterations=100,
        random_state=seed,
        num_threads=THREADS,
    )
    model = fitted(model, histories(d))
    return lambda users: model.user_factors[users] @ model.item_factors.T


def with_trend(d: Data, personal: Scorer, beta: float, days: float) -> Scorer:
    """Standardized personal scores + beta * standardized log(1 + strong count of last `days`)."""
    recent = np.bincount(d.i[(d.t >= d.cut - days * DAY) & d.s], minlength=d.n_items)
    trend = np.log1p(recent)
    trend = ((trend - trend.mean()) / trend.std()).astype(np.float32)

    def scores(users: np.ndarray) -> np.ndarray:
        score = personal(users)
        spread = score.std(1, keepdims=True)
        centred = score - score.mean(1, keepdims=True)
        return np.where(spread > 0, centred / np.maximum(spread, 1e-9), 0) + beta * trend

    return scores


ALS = {"factors": 16, "regularization": 0.05, "alpha": 10.0}
CHOSEN: dict[str, Callable[[Data], Scorer]] = {
    "popularity": popularity,
    "popularity 90 d": lambda d: popularity(d, days=90),
    "text kNN": lambda d: text_knn(d, weak=0.0),
    "item cosine": lambda d: item_knn(d, "cosine", neighbours=1000, weak=0.3),
    "BM25 kNN": lambda d: item_knn(d, "bm25", neighbours=1000, weak=0.3),
    "EASE": lambda d: ease(d, ridge=300, weak=0.3, half_life=730),
    "BM25 kNN + trend": lambda d: with_trend(
        d, item_knn(d, "bm25", neighbours=1000, weak=0.3), beta=1.0, days=90
    ),
    "ALS": lambda d: als(d, **ALS),
    "BPR": lambda d: bpr(d, factors=64, rate=0.05, regularization=0.03),
}


def main() -> None:
    chosen = sys.argv[1].split(",") if len(sys.argv) > 1 else list(CHOSEN)
    d = Data("test")
    print("model |", HEAD)
    for name in chosen:
        begin = time.time()
        scores = CHOSEN[name](d)
        seconds = time.time() - begin
        print(f"{name} | {row(d.eval(scores))} | fit {seconds:.2f} s", flush=True)


if __name__ == "__main__":
    main()
