"""The X-Wines protocol: loading, global time split, metrics; independent of the library.

Split: the test part is every interaction from 2021-04-20 on (the last 10 %); ``split="val"``
repeats that one step earlier inside the training part, for tuning. An interaction is strong when
its rating is at least 4.0. Relevant are the strong test interactions with wines that the user did
not touch in training; users with at least one are evaluated. Ranked is the whole catalogue less the
user's training items.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

FOLDER = Path(__file__).resolve().parents[2] / "python" / "relweave" / "datasets" / "xwines"
CUT = "2021-04-20"
STRONG_RATING = 4.0
TIERS = ("top10", "mid40", "bot50")  # by popularity rank: the first 10 %, the next 40 %, the rest


def sentence(wine) -> str:
    """The text that the shipped vectors encode."""

    def listed(text: str) -> str:
        return ", ".join(ast.literal_eval(text))

    return (
        f"{wine.WineName}, a {wine.Type} wine by {wine.WineryName} from {wine.RegionName}, "
        f"{wine.Country}. Grapes: {listed(wine.Grapes)}. {wine.Body}, {wine.Acidity} acidity, "
        f"{wine.ABV}% alcohol. Pairs with {listed(wine.Harmonize)}."
    )


def load_xwines() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return items (ext, type, text) and ratings (UserID, WineID, Rating, seconds)."""
    with zipfile.ZipFile(FOLDER / "XWines_Slim_1K_wines_150K_ratings.zip") as archive:
        with archive.open("XWines_Slim_1K_wines.csv") as file:
            wines = pd.read_csv(file)
        with archive.open("XWines_Slim_150K_ratings.csv") as file:
            ratings = pd.read_csv(file, low_memory=False)
    ratings["seconds"] = pd.to_datetime(ratings.Date).astype("datetime64[s]").astype("int64")
    texts = [sentence(wine) for wine in wines.itertuples()]
    return pd.DataFrame({"ext": wines.WineID, "type": wines.Type, "text": texts}), ratings


def text_vectors() -> np.ndarray:
    """Return (n_items, 384) float32 in the order of the wines file."""
    return np.load(FOLDER / "minilm_l6_v2_f16.npy").astype(np.float32)


class Data:
    """Interactions with dense ids, sorted by user and time, and what to predict from them.

    Training: ``u``, ``i``, ``t`` (seconds), ``s`` (strong); ``X`` and ``S`` are users x items of
    all and of strong interactions. Test: ``rel`` users x items, ``eval_users``. ``hide_items``
    removes that share of the items from training, for the cold-item protocol.
    """

    def __init__(self, split: str = "test", hide_items: float = 0.0, hide_seed: int = 0):
        self.items, ratings = load_xwines()
        self.n_items = len(self.items)
        self.type_names = sorted(self.items.type.unique())
        self.type = self.items.type.map({k: j for j, k in enumerate(self.type_names)}).to_numpy()
        self.n_types = len(self.type_names)

        users, u = np.unique(ratings.UserID, return_inverse=True)
        dense = {ext: j for j, ext in enumerate(self.items.ext)}
        i = ratings.WineID.map(dense).to_numpy()
        t = ratings.seconds.to_numpy()
        order = np.lexsort((i, t, u))
        u, i, t = u[order], i[order], t[order]
        s = ratings.Rating.to_numpy()[order] >= STRONG_RATING

        cut = int(pd.Timestamp(CUT).timestamp())
        if split == "val":
            keep = t < cut
            u, i, t, s = u[keep], i[keep], t[keep], s[keep]
            cut = int(np.quantile(t, 0.9))
        train = t < cut
        if hide_items > 0:
            rng = np.random.default_rng(hide_seed)
            hidden = rng.choice(self.n_items, int(hide_items * self.n_items), replace=False)
            keep = ~train | ~np.isin(i, hidden)
            u, i, t, s, train = u[keep], i[keep], t[keep], s[keep], train[keep]

        self.cut, self.n_users = cut, len(users)
        self.u, self.i, self.t, self.s = u[train], i[train], t[train], s[train]
        self.ptr = np.searchsorted(self.u, np.arange(self.n_users + 1))
        self.pop = np.bincount(self.i, minlength=self.n_items)
        self.X = self._matrix(self.u, self.i, np.ones(len(self.u)))
        self.S = self._matrix(self.u, self.i, self.s)
        self.S.eliminate_zeros()

        tu, ti = u[~train], i[~train]
        relevant = s[~train] & (np.asarray(self.X[tu, ti]).ravel() == 0)
        self.rel = self._matrix(tu[relevant], ti[relevant], np.ones(relevant.sum()))
        self.eval_users = np.unique(tu[relevant])
        self.warm = np.diff(self.X.indptr) > 0
        rank = np.empty(self.n_items, int)
        rank[np.argsort(-self.pop, kind="stable")] = np.arange(self.n_items)
        self.tier = np.where(
            rank < 0.1 * self.n_items, 0, np.where(rank < 0.5 * self.n_items, 1, 2)
        )

    def _matrix(self, u, i, values) -> sp.csr_matrix:
        return sp.csr_matrix((values.astype(np.float32), (u, i)), (self.n_users, self.n_items))

    def text(self) -> np.ndarray:
        return text_vectors()

    def eval(self, scores: np.ndarray | Callable, k: int = 10) -> dict:
        """Metrics at k. ``scores``: a function of user ids, or (len(eval_users), n_items)."""
        U = self.eval_users
        score = np.array(scores(U) if callable(scores) else scores, np.float32)
        relevant = self.rel[U].toarray() > 0
        score[self.X[U].nonzero()] = -np.inf
        warm = self.warm[U]

        order, rank = ranks(score)
        n_relevant = relevant.sum(1)
        hit = relevant & (rank < k)
        ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[np.minimum(n_relevant, k) - 1]
        per_user = {
            "hr": hit.any(1),
            "recall": hit.sum(1) / n_relevant,
            "ndcg": (hit / np.log2(rank + 2)).sum(1) / ideal,
            "mrr": 1 / (first_relevant(rank, relevant) + 1),
        }
        out = {}
        for name, users in (("all", np.ones(len(U), bool)), ("warm", warm), ("cold", ~warm)):
            if users.any():
                out[name] = {"n": int(users.sum())}
                out[name] |= {metric: v[users].mean() for metric, v in per_user.items()}
                out[name]["cov"] = len(np.unique(order[users, :k])) / self.n_items
        for j, name in enumerate(TIERS):  # recall over the relevant pairs of the tier, warm users
            pairs = relevant[warm][:, self.tier == j]
            found = hit[warm][:, self.tier == j].sum()
            out["tier_" + name] = {"n": int(pairs.sum()), "recall": found / max(1, pairs.sum())}
        out |= self._cold_items(score, relevant, hit, warm, k)
        out |= self._types(score, relevant, warm, k)
        return rounded(out)

    def _cold_items(self, score, relevant, hit, warm, k) -> dict:
        """Items without training interactions: in the full catalogue, and among themselves."""
        cold = self.pop == 0
        if not cold.any():
            return {}
        pairs = relevant & cold
        out = {
            "colditem": {"n": int(pairs.sum()), "recall": (hit & cold).sum() / max(1, pairs.sum())}
        }
        users = pairs.any(1) & warm
        if users.any():
            best = first_relevant(ranks(score[users][:, cold])[1], relevant[users][:, cold])
            out["colditem_only"] = {
                "n": int(users.sum()),
                "cands": int(cold.sum()),
                "hr": (best < k).mean(),
                "mrr": (1 / (best + 1)).mean(),
            }
        return out

    def _types(self, score, relevant, warm, k) -> dict:
        """Rank one type only: for users who know the type, other warm users, cold users."""
        touched = np.stack(
            [
                np.asarray(self.X[self.eval_users][:, self.type == j].sum(1)).ravel() > 0
                for j in range(self.n_types)
            ],
            axis=1,
        )
        pooled = {"type_warm": [], "type_cross": [], "type_cold": []}
        per_type = {}
        for j, type_name in enumerate(self.type_names):
            items = np.where(self.type == j)[0]
            users = relevant[:, items].any(1)
            if not users.any():
                continue
            best = first_relevant(ranks(score[users][:, items])[1], relevant[users][:, items])
            values = np.stack([best < k, 1 / (best + 1)], axis=1)
            knows, is_warm = touched[users, j], warm[users]
            groups = {
                "type_warm": values[knows],
                "type_cross": values[~knows & is_warm],
                "type_cold": values[~is_warm],
            }
            for name, group in groups.items():
                pooled[name].append(group)
            per_type[type_name] = {"n_items": len(items)}
            for short in ("warm", "cross"):
                group = groups["type_" + short]
                per_type[type_name][short + "_n"] = len(group)
                per_type[type_name][short + "_hr"] = group[:, 0].mean() if len(group) else None
        out = {"per_type": per_type}
        for name, groups in pooled.items():
            values = np.concatenate(groups)
            if len(values):
                out[name] = {
                    "n": len(values),
                    "hr": values[:, 0].mean(),
                    "mrr": values[:, 1].mean(),
                }
        return out


def ranks(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the items of each row from best to worst, and each item's rank from 0."""
    order = np.argsort(-score, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(score.shape[1])[None], axis=1)
    return order, rank


def first_relevant(rank: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Return the rank of each row's best relevant item."""
    return np.where(relevant, rank, 10**9).min(1)


def rounded(x):
    if isinstance(x, dict):
        return {key: rounded(value) for key, value in x.items()}
    return x if x is None or isinstance(x, int) else round(float(x), 4)


COLUMNS = {
    "HR@10": ("warm", "hr"),
    "recall": ("warm", "recall"),
    "NDCG": ("warm", "ndcg"),
    "MRR": ("warm", "mrr"),
    "coverage": ("warm", "cov"),
    "cold-user HR": ("cold", "hr"),
    "same-type HR": ("type_warm", "hr"),
    "same-type MRR": ("type_warm", "mrr"),
    "cross-type HR": ("type_cross", "hr"),
    "cross-type MRR": ("type_cross", "mrr"),
    "top 10 %": ("tier_top10", "recall"),
    "mid 40 %": ("tier_mid40", "recall"),
    "bottom 50 %": ("tier_bot50", "recall"),
}
HEAD = " | ".join(COLUMNS)


def row(metrics: dict) -> str:
    """Format the columns of HEAD."""

    def cell(group: str, metric: str) -> str:
        value = metrics.get(group, {}).get(metric)
        return "-" if value is None else f"{value:.4f}"

    return " | ".join(cell(*column) for column in COLUMNS.values())
