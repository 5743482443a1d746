"""Ranks of relevant items in the full ranking, block by block of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._frames import Array
from ._ids import Codes
from .errors import ConfigError, ShapeError, describe

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Relevant items of users: row of the user, ascending, and item."""

    row: Ints
    item: Ints
    n_rows: int


@dataclass(frozen=True)
class Ranks:
    """Ranks from 0 of every pair's item among the items that the user has not seen.

    `type_rank`: among those of its type. `cold_rank`: among those without training events, for
    pairs of warm users with such an item, otherwise -1. `listed` (2, n_items): which items occur
    in a list of k, for cold users and for warm ones.
    """

    rank: Ints
    type_rank: Ints
    cold_rank: Ints
    listed: NDArray[np.bool_]


def rank_pairs(
    model: Any,
    user_ids: Array,
    pairs: Pairs,
    types: Codes,
    cold_items: NDArray[np.bool_],
    warm: NDArray[np.bool_],
    k: int,
    block: int,
) -> Ranks:
    """Score users block by block and rank their relevant items; ties go to the lower item."""
    n_items = len(types)
    columns = [np.flatnonzero(types == t) for t in range(int(types.max()) + 1)]
    cold_columns = np.flatnonzero(cold_items)
    rank, type_rank = np.empty(len(pairs.row), np.int64), np.empty(len(pairs.row), np.int64)
    cold_rank = np.full(len(pairs.row), -1, dtype=np.int64)
    listed = np.zeros((2, n_items), dtype=bool)
    for start in range(0, len(user_ids), block):
        users = user_ids[start : start + block]
        scores = _block_scores(model, users, n_items)
        for group in (0, 1):
            rows = warm[start : start + block] == group
            listed[group] |= _top(scores[rows], k).any(axis=0)
        mine = slice(*np.searchsorted(pairs.row, [start, start + len(users)]))
        row, item = pairs.row[mine] - start, pairs.item[mine]
        rank[mine] = _rank(scores, row, item, np.arange(n_items))
        for t, members in enumerate(columns):
            of_type = np.flatnonzero(types[item] == t)
            type_rank[mine][of_type] = _rank(scores, row[of_type], item[of_type], members)
        cold = np.flatnonzero(cold_items[item] & warm[pairs.row[mine]])
        cold_rank[mine][cold] = _rank(scores, row[cold], item[cold], cold_columns)
    return Ranks(rank, type_rank, cold_rank, listed)


def _block_scores(model: Any, users: Array, n_items: int) -> NDArray[np.float32]:
    """Return scores with the seen items at -infinity."""
    scores = np.array(model.score_users(users), dtype=np.float32)
    if scores.shape != (len(users), n_items):
        raise ShapeError(
            describe(
                "evaluate", "score_users", f"shape {scores.shape}", f"shape {(len(users), n_items)}"
            )
        )
    if not np.isfinite(scores).all():
        raise ConfigError(
            describe("evaluate", "score_users", "scores that are not finite", "finite scores")
        )
    offsets, seen = model.seen(users)
    scores[np.repeat(np.arange(len(users)), np.diff(offsets)), seen] = -np.inf
    return scores


def _rank(scores: NDArray[np.float32], row: Ints, item: Ints, members: Ints) -> Ints:
    """Return the rank of every pair's item among `members` (ascending items)."""
    result = np.empty(len(row), dtype=np.int64)
    step = max(1, 8_000_000 // max(1, len(members)))
    for start in range(0, len(row), step):
        r, i = row[start : start + step], item[start : start + step]
        own = scores[r, i][:, None]
        others = scores[np.ix_(r, members)] if len(members) < scores.shape[1] else scores[r]
        before = (others > own) | ((others == own) & (members[None] < i[:, None]))
        result[start : start + step] = before.sum(axis=1)
    return result


def _top(scores: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
    """Return which items are among the first k of each row; ties go to the lower item."""
    unseen = ~np.isneginf(scores)
    if k >= scores.shape[1] or len(scores) == 0:
        return unseen
    threshold = np.partition(scores, -k, axis=1)[:, -k][:, None]
    above, ties = scores > threshold, scores == threshold
    room = k - above.sum(axis=1, keepdims=True)
    chosen: NDArray[np.bool_] = above | (ties & (np.cumsum(ties, axis=1) <= room))
    return chosen & unseen
