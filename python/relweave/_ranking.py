"""Ranks of relevant items in the full ranking, block by block of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
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
    ends = np.searchsorted(pairs.row, np.arange(len(user_ids) + 1))
    items = pairs.item.astype(np.int32)
    groups = (np.empty(0, np.int32), types.astype(np.int32), cold_items.astype(np.int32))
    ranks = tuple(np.empty(len(items), np.int64) for _ in groups)
    listed = np.zeros((2, n_items), dtype=np.uint8)
    for start in range(0, len(user_ids), block):
        users = user_ids[start : start + block]
        scores = _block_scores(model, users, n_items)
        mine = slice(ends[start], ends[start + len(users)])
        offsets = ends[start : start + len(users) + 1] - ends[start]
        for rank, group in zip(ranks, groups, strict=True):
            rank[mine] = _core.metrics.ranks(scores, offsets, items[mine], groups=group)
        for kind in (0, 1):
            rows = scores[warm[start : start + block] == kind]
            _core.metrics.mark_listed(rows, k=k, listed=listed[kind])
    rank, type_rank, cold_rank = ranks
    cold_rank[~(cold_items[items] & warm[pairs.row])] = -1
    return Ranks(rank, type_rank, cold_rank, listed.astype(bool))


def _block_scores(model: Any, users: Array, n_items: int) -> NDArray[np.float32]:
    """Return scores with the seen items at -infinity."""
    scores = np.array(model.score_users(users), dtype=np.float32, order="C")
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
    _core.metrics.exclude(scores, offsets.astype(np.int64), seen.astype(np.int32))
    return scores
