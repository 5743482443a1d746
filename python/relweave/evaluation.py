"""Full-ranking evaluation: HR, recall, NDCG, MRR, coverage, by kind of user and of item."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import _core, _html
from ._frames import Array
from ._ids import Codes, IdIndex
from ._ranking import Pairs, Ranks, rank_pairs
from .config import seed_of, whole
from .errors import ConfigError, DTypeError, NotFittedError, describe
from .log import InteractionLog

__all__ = ["Comparison", "Report", "Scorer", "compare", "evaluate"]

Values = NDArray[np.float64]

_BY_USER = ("hr", "recall", "ndcg", "mrr")
METRICS = (*_BY_USER, "coverage")
_TIERS = (("head_items", 0.0, 0.1), ("middle_items", 0.1, 0.5), ("tail_items", 0.5, 1.0))


class Scorer(Protocol):
    """What `evaluate` needs of a model."""

    item_ids_: Array
    item_types_: Codes
    type_names_: tuple[str, ...]

    def score_users(self, user_ids: Any, /) -> NDArray[np.float32]:
        """Return scores of all items, (n_users, n_items), columns as `item_ids_`."""
        ...

    def seen(self, user_ids: Any, /) -> tuple[NDArray[np.int64], Codes]:
        """Return what users touched in training: offsets (n + 1), and positions of items."""
        ...

    def item_counts(self) -> NDArray[np.int64]:
        """Return the number of training events of every item."""
        ...


@dataclass(frozen=True)
class Report:
    """What a model reaches on a test log.

    Attributes
    ----------
    name : str
    k : int
    slices : dict of dict
        Per slice "n" and its metrics. Users: "all", "warm" (some training event), "cold" (none).
        Pairs of user and item type, ranked inside the type: "same_type" (the user touched the type
        in training), "cross_type" (another type only), "cold_type" (nothing). Relevant pairs of
        warm users by popularity of the item: "head_items" (top 10 %), "middle_items" (next 40 %),
        "tail_items"; of items without training events: "cold_items", and "cold_items_only" ranked
        among themselves.
    types : dict of dict
        HR and MRR inside each item type.
    user_ids : ndarray
        Evaluated users.
    values : dict of ndarray
        "hr", "recall", "ndcg", "mrr" of every evaluated user.
    warm : ndarray of bool
    unknown_items : int
        Test events dropped because the model does not know their items.
    seconds : float
    """

    name: str
    k: int
    slices: dict[str, dict[str, float]]
    types: dict[str, dict[str, float]]
    user_ids: Array = field(repr=False)
    values: dict[str, Values] = field(repr=False)
    warm: NDArray[np.bool_] = field(repr=False)
    unknown_items: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return all but the values per user, ready for JSON."""
        return {
            "name": self.name,
            "k": self.k,
            "slices": self.slices,
            "types": self.types,
            "unknown_items": self.unknown_items,
            "seconds": self.seconds,
        }

    def table(self) -> str:
        """Return the slices as text."""
        return _html.text_table(*self._rows())

    def __repr__(self) -> str:
        return f"{self.name}, k = {self.k}\n{self.table()}"

    def _repr_html_(self) -> str:
        return _html.table(*self._rows(), f"{self.name}, k = {self.k}")

    def _rows(self) -> tuple[list[str], list[list[Any]]]:
        head = ["slice", "n", *(metric_title(metric, self.k) for metric in METRICS)]
        rows = [
            [_html.label(name), int(values["n"]), *(values.get(metric) for metric in METRICS)]
            for name, values in self.slices.items()
        ]
        return head, rows


def evaluate(
    model: Scorer,
    test: InteractionLog,
    k: int = 10,
    *,
    name: str | None = None,
    block_elements: int = 16_000_000,
) -> Report:
    """Rank the whole catalogue for every test user, and measure.

    Relevant are the strong test events with items that the user did not touch in training; ranked
    are all items but those; evaluated are users with at least one relevant item. Ties rank by inner
    order. HR: some relevant item among the first k. Recall: share of the relevant items there.
    NDCG: Jarvelin and Kekalainen 2002 with binary gains. MRR: 1 / rank of the first relevant item
    in the full ranking. Coverage: share of the catalogue that occurs in some list of k.

    Parameters
    ----------
    model : Recommender, baseline, or any Scorer
    test : InteractionLog
        Events of items that the model does not know are dropped and counted.
    k : int
    name : str, optional
        For tables; the class by default.
    block_elements : int
        Scores held at a time: bounds the memory, never users x items.

    Raises
    ------
    ConfigError
        No relevant event is left, scores are not finite, or k is below 1.

    Examples
    --------
    >>> import relweave as rw
    >>> events = {"u": [1, 1, 2, 2, 3, 1], "i": list("abacac"), "t": [1, 2, 3, 4, 5, 9]}
    >>> log = rw.InteractionLog(events, user="u", item="i", time="t")
    >>> train, test = log.split_by_time(cutoff=9)
    >>> popular = rw.baselines.Popularity().fit(train, rw.Catalog({"i": list("abc")}, id="i"))
    >>> rw.evaluate(popular, test, k=1).slices["warm"]["hr"]
    1.0
    """
    here = "evaluate"
    if not isinstance(test, InteractionLog):
        raise DTypeError(describe(here, "test", type(test).__name__, "an InteractionLog"))
    k = whole(k, here, "k")
    block_elements = whole(block_elements, here, "block_elements", highest=2**40)
    for method in ("score_users", "seen", "item_counts"):
        if not callable(getattr(model, method, None)):
            raise DTypeError(
                describe(
                    here, "model", f"{type(model).__name__} without {method}", "a model or baseline"
                )
            )
    if getattr(model, "item_ids_", None) is None:
        raise NotFittedError(
            describe(here, "model", "one that is not fitted", "a fitted model", "Call fit first.")
        )
    start = time.perf_counter()
    items = IdIndex(model.item_ids_)
    items.expect_kind(test.items, here, "test", "model")
    code = items.find(test.items)
    n_items, n_types = len(items), len(model.type_names_)

    offsets, seen = model.seen(test.users)
    touched = np.repeat(np.arange(len(test.users)), np.diff(offsets)) * n_items + seen
    known = code[test.item_codes] >= 0
    wanted = test.strong & known
    pair = np.unique(
        test.user_codes[wanted].astype(np.int64) * n_items + code[test.item_codes[wanted]]
    )
    pair = pair[~np.isin(pair, touched)]
    if len(pair) == 0:
        raise ConfigError(
            describe(
                here,
                "test",
                f"{len(test)} events, none of them relevant",
                "a strong event with a known item that is new to its user",
            )
        )
    users, row = np.unique(pair // n_items, return_inverse=True)
    pairs = Pairs(row, (pair % n_items).astype(np.int64), len(users))
    warm = np.diff(offsets)[users] > 0
    counts = np.asarray(model.item_counts())
    ranks = rank_pairs(
        model,
        test.users[users],
        pairs,
        model.item_types_,
        counts == 0,
        warm,
        k,
        max(1, block_elements // n_items),
    )
    values = _values(pairs.row, ranks.rank, k)
    slices = _user_slices(values, ranks, warm)
    user_types = _user_types(offsets, seen, model.item_types_, n_types)[users]
    type_slices, types = _type_slices(
        pairs, ranks, model.item_types_, model.type_names_, user_types, warm, k
    )
    slices.update(type_slices)
    slices.update(_item_slices(pairs, ranks, counts, warm, k))
    return Report(
        name=name or type(model).__name__,
        k=k,
        slices=slices,
        types=types,
        user_ids=test.users[users],
        values=values,
        warm=warm,
        unknown_items=int((~known).sum()),
        seconds=time.perf_counter() - start,
    )


def _values(group: NDArray[np.int64], rank: NDArray[np.int64], k: int) -> dict[str, Values]:
    """Return the metrics of every group of ranks; groups are numbered from 0."""
    order = np.argsort(group, kind="stable")
    offsets = np.searchsorted(group[order], np.arange(group.max() + 2))
    values = _core.metrics.ranking_metrics(offsets, rank[order], k=k)
    return dict(zip(_BY_USER, values, strict=True))


def _hr_mrr(values: Mapping[str, Values], mask: NDArray[np.bool_]) -> dict[str, float]:
    means = {metric: float(values[metric][mask].mean()) for metric in ("hr", "mrr")}
    return {"n": int(mask.sum()), **means}


def _user_slices(
    values: Mapping[str, Values], ranks: Ranks, warm: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    cold_list, warm_list = ranks.listed
    result = {}
    for name, mask, listed in (
        ("all", np.ones_like(warm), cold_list | warm_list),
        ("warm", warm, warm_list),
        ("cold", ~warm, cold_list),
    ):
        if mask.any():
            means = {metric: float(value[mask].mean()) for metric, value in values.items()}
            result[name] = {"n": int(mask.sum()), **means, "coverage": float(listed.mean())}
    return result


def _user_types(
    offsets: NDArray[np.int64], seen: Codes, types: Codes, n_types: int
) -> NDArray[np.bool_]:
    """Return which types every user touched, (n_users, n_types)."""
    touched = np.zeros((len(offsets) - 1, n_types), dtype=bool)
    touched[np.repeat(np.arange(len(touched)), np.diff(offsets)), types[seen]] = True
    return touched


def _type_slices(
    pairs: Pairs,
    ranks: Ranks,
    types: Codes,
    names: Sequence[str],
    touched: NDArray[np.bool_],
    warm: NDArray[np.bool_],
    k: int,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Return slices of pairs of user and type, ranked inside the type; and each type's own."""
    groups, group = np.unique(pairs.row * len(names) + types[pairs.item], return_inverse=True)
    row, kind = groups // len(names), groups % len(names)
    values = _values(group, ranks.type_rank, k)
    same = touched[row, kind]
    masks = {
        "same_type": same,
        "cross_type": ~same & warm[row],
        "cold_type": ~warm[row],
    }
    per_type = {name: kind == t for t, name in enumerate(names)}
    slices, own = (
        {name: _hr_mrr(values, mask) for name, mask in part.items() if mask.any()}
        for part in (masks, per_type)
    )
    return slices, own


def _item_slices(
    pairs: Pairs, ranks: Ranks, counts: NDArray[np.int64], warm: NDArray[np.bool_], k: int
) -> dict[str, dict[str, float]]:
    n = len(counts)
    place = np.empty(n, dtype=np.int64)  # popularity rank of every item
    place[np.argsort(-counts, kind="stable")] = np.arange(n)
    hit, of_warm = ranks.rank < k, warm[pairs.row]
    masks = {
        name: of_warm & (place[pairs.item] >= low * n) & (place[pairs.item] < high * n)
        for name, low, high in _TIERS
    }
    masks["cold_items"] = counts[pairs.item] == 0
    result = {
        name: {"n": int(mask.sum()), "recall": float(hit[mask].mean())}
        for name, mask in masks.items()
        if mask.any()
    }
    among = ranks.cold_rank >= 0
    if among.any():
        rows, group = np.unique(pairs.row[among], return_inverse=True)
        values = _values(group, ranks.cold_rank[among], k)
        result["cold_items_only"] = _hr_mrr(values, np.ones(len(rows), dtype=bool))
    return result


@dataclass(frozen=True)
class Comparison:
    """Reports side by side, with the paired bootstrap of their differences to one of them.

    Attributes
    ----------
    reports : tuple of Report
    reference : str
        Name of the report that the others are compared with.
    slice, metric : str
    differences : dict
        Per other report: "difference" (its mean minus the reference's), "low" and "high" (95 %
        interval), "share_below" (share of resamples in which it does not exceed the reference).
    """

    reports: tuple[Report, ...]
    reference: str
    slice: str
    metric: str
    differences: dict[str, dict[str, float]]

    def table(self) -> str:
        """Return the comparison as text: the metrics, then the differences."""
        parts = [self._metrics(), *([self._gaps()] if self.differences else [])]
        return "\n\n".join(_html.text_table(*part) for part in parts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the values per user, ready for JSON."""
        return {
            "reference": self.reference,
            "slice": self.slice,
            "metric": self.metric,
            "differences": self.differences,
            "reports": [report.to_dict() for report in self.reports],
        }

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        parts = [self._metrics(), *([self._gaps()] if self.differences else [])]
        return "".join(_html.table(*part) for part in parts)

    def _metrics(self) -> tuple[list[str], list[list[Any]]]:
        k = self.reports[0].k
        head = [f"{self.slice} users", *(metric_title(metric, k) for metric in METRICS)]
        values = [(report.name, report.slices.get(self.slice, {})) for report in self.reports]
        return head, [[name, *(row.get(metric) for metric in METRICS)] for name, row in values]

    def _gaps(self) -> tuple[list[str], list[list[Any]]]:
        title = metric_title(self.metric, self.reports[0].k)
        head = [f"{title} against {self.reference}", "difference", "95 % from", "to"]
        return head, [
            [name, *(gap[key] for key in ("difference", "low", "high"))]
            for name, gap in self.differences.items()
        ]


def compare(
    reports: Sequence[Report] | Mapping[str, Report],
    *,
    reference: str | None = None,
    slice: str = "warm",
    metric: str = "hr",
    samples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare reports on the same test users.

    Parameters
    ----------
    reports : sequence of Report, or mapping from name to Report
        Of the same test log.
    reference : str, optional
        Name to compare with; the last report by default.
    slice : {"warm", "all", "cold"}
    metric : {"hr", "recall", "ndcg", "mrr"}
    samples : int
        Bootstrap resamples of users, the same for all reports.
    seed : int

    Raises
    ------
    ConfigError
        Fewer than one report, names that occur twice, other users, or unknown names.
    """
    here = "compare"
    if isinstance(reports, Mapping):
        reports = [replace(report, name=name) for name, report in reports.items()]
    for report in reports:
        if not isinstance(report, Report):
            raise DTypeError(describe(here, "reports", type(report).__name__, "what evaluate gave"))
    samples = whole(samples, here, "samples")
    seed = seed_of(seed, here)
    names = [report.name for report in reports]
    if not names or len(set(names)) != len(names):
        raise ConfigError(describe(here, "reports", f"names {names}", "different names, some"))
    reference = names[-1] if reference is None else reference
    for argument, value, known in (
        ("reference", reference, names),
        ("slice", slice, ["warm", "all", "cold"]),
        ("metric", metric, list(_BY_USER)),
    ):
        if value not in known:
            raise ConfigError(describe(here, argument, repr(value), f"one of {', '.join(known)}"))
    base = reports[names.index(reference)]
    mask = {"warm": base.warm, "cold": ~base.warm}.get(slice, np.ones_like(base.warm))
    if not mask.any():
        raise ConfigError(describe(here, "slice", f"no {slice} user", "at least one"))
    gaps = []
    others = [report for report in reports if report.name != reference]
    for report in others:
        if not np.array_equal(report.user_ids, base.user_ids) or report.k != base.k:
            raise ConfigError(
                describe(
                    here,
                    "reports",
                    f"{report.name} on other users or another k",
                    "reports of the same test log",
                )
            )
        gaps.append((report.values[metric] - base.values[metric])[mask])
    differences = {}
    if others:
        means = _bootstrap(np.stack(gaps), samples, seed)
        for report, gap, mean in zip(others, gaps, means, strict=True):
            low, high = np.quantile(mean, [0.025, 0.975])
            differences[report.name] = {
                "difference": float(gap.mean()),
                "low": float(low),
                "high": float(high),
                "share_below": float((mean <= 0).mean()),
            }
    return Comparison(tuple(reports), reference, slice, metric, differences)


def _bootstrap(gaps: Values, samples: int, seed: int) -> Values:
    """Return means of resampled users, (n_reports, samples); every report sees the same users."""
    rng = np.random.default_rng(seed)
    n = gaps.shape[1]
    result = np.empty((len(gaps), samples))
    for sample in range(samples):
        times = np.bincount(rng.integers(0, n, n), minlength=n)
        result[:, sample] = gaps @ times / n
    return result


def metric_title(metric: str, k: int) -> str:
    names = {"hr": f"HR@{k}", "recall": f"recall@{k}", "ndcg": f"NDCG@{k}", "mrr": "MRR"}
    return names.get(metric, metric)
