"""Quality on X-Wines: all models of the table in docs/benchmarks.md, several seeds, all slices.

Default settings but for what a row's name says; nothing is tuned on the test part. Differences are
those of the users' values, averaged over the seeds, with intervals from a paired bootstrap.

Usage: python bench/peers/quality.py [--seeds 3] [--json build/quality.json]
           [--write docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import relweave as rw
from markdown import replace_block, table

REFERENCE = "2T-HGNN"
VARIANTS: dict[str, dict[str, Any]] = {
    "2T alone": {"use_hgnn": False},
    REFERENCE: {},
    "2T-HGNN, eq. 5": {"towers": {"loss": "dot_product"}},
    "2T-HGNN, strict balance": {"hgnn": {"balance": "strict"}},
    "2T-HGNN, no balance": {"hgnn": {"balance": "none"}},
    "2T-HGNN, no weak signals": {"graph": {"strong_only": True}, "towers": {"weak_weight": 0.0}},
}
BASELINES: dict[str, Callable[[], rw.baselines.Baseline]] = {
    "popularity": rw.baselines.Popularity,
    "popularity, 90 days": lambda: rw.baselines.Popularity(days=90),
    "text kNN": rw.baselines.TextKNN,
    "item cosine": rw.baselines.ItemKNN,
    "BM25": lambda: rw.baselines.ItemKNN("bm25"),
    "EASE": rw.baselines.EASE,
    "BM25 + trend": rw.baselines.Trend,
}
COLUMNS = {
    "HR@10": ("warm", "hr"),
    "recall@10": ("warm", "recall"),
    "NDCG@10": ("warm", "ndcg"),
    "MRR": ("warm", "mrr"),
    "coverage": ("warm", "coverage"),
    "cold-user HR": ("cold", "hr"),
    "same-type HR": ("same_type", "hr"),
    "cross-type HR": ("cross_type", "hr"),
    "head recall": ("head_items", "recall"),
    "middle recall": ("middle_items", "recall"),
    "tail recall": ("tail_items", "recall"),
}
HIDDEN_SHARE = 0.1
# Of the models for cold items: they learn to do without links. Chosen among (0, .1, .2, .4) on the
# last tenth of the training part, with other hidden wines.
COLD_SETTINGS = {"hgnn": {"node_drop": 0.2}, "towers": {"cold_items": 0.2}}
COLD_COLUMNS = {
    "HR@10 among the cold": ("cold_items_only", "hr"),
    "MRR among the cold": ("cold_items_only", "mrr"),
    "recall@10, whole catalogue": ("cold_items", "recall"),
    "warm HR@10": ("warm", "hr"),
}

Reports = dict[str, list[rw.Report]]


class XWines:
    """The split and what the models need; `hide` takes a share of the wines out of the training."""

    def __init__(self, hide: float = 0.0, draw: int = 0) -> None:
        data = rw.datasets.load_xwines()
        train, self.test = data.split()
        wines = data.items["wine"]
        if hide:
            rng = np.random.default_rng(draw)
            hidden = wines[rng.choice(len(wines), int(hide * len(wines)), replace=False)]
            train = train.select(~np.isin(train.items[train.item_codes], hidden))
        self.train = train
        self.catalog = data.catalog()
        self.vectors = data.vectors

    def baseline(self, make: Callable[[], rw.baselines.Baseline]) -> rw.baselines.Baseline:
        return make().fit(self.train, self.catalog, self.vectors)

    def recommender(self, seed: int, **settings: Any) -> rw.Recommender:
        model = rw.Recommender(seed=seed, **settings)
        return model.fit(self.train, self.catalog, self.vectors, progress=False)

    def hgnn_alone(self, model: rw.Recommender) -> rw.baselines.Baseline:
        """Rank by the mean HGNN vector of the history, without towers."""
        vectors = rw.text.PrecomputedVectors(model.item_ids_, model.general_vectors_, id="hgnn")
        return rw.baselines.VectorKNN().fit(self.train, self.catalog, vectors)

    def report(self, name: str, model: Any) -> rw.Report:
        report = rw.evaluate(model, self.test, name=name)
        warm = report.slices["warm"]
        print(f"{name}: warm HR@10 {warm['hr']:.4f}, NDCG@10 {warm['ndcg']:.4f}", flush=True)
        return report


def warm_reports(seeds: int) -> Reports:
    data = XWines()
    reports: Reports = {
        name: [data.report(name, data.baseline(make))] for name, make in BASELINES.items()
    }
    reports["HGNN alone"] = []
    for name, settings in VARIANTS.items():
        reports[name] = []
        for seed in range(seeds):
            model = data.recommender(seed, **settings)
            if name == REFERENCE:
                reports["HGNN alone"].append(data.report("HGNN alone", data.hgnn_alone(model)))
            reports[name].append(data.report(name, model))
    return reports


def cold_item_reports(draws: int) -> Reports:
    reports: Reports = {name: [] for name in ("text kNN", "2T alone", "HGNN alone", REFERENCE)}
    for draw in range(draws):
        data = XWines(HIDDEN_SHARE, draw)
        model = data.recommender(draw, **COLD_SETTINGS)
        models = {
            "text kNN": data.baseline(rw.baselines.TextKNN),
            "2T alone": data.recommender(draw, use_hgnn=False),
            "HGNN alone": data.hgnn_alone(model),
            REFERENCE: model,
        }
        for name, scorer in models.items():
            reports[name].append(data.report(name, scorer))
    return reports


def spread(values: Sequence[float]) -> str:
    """Return the mean, with the standard deviation over the seeds where there are several."""
    text = f"{np.mean(values):.3f}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.3f}"


def metric_table(reports: Reports, columns: dict[str, tuple[str, str]]) -> str:
    rows = [
        [
            name,
            *(
                spread([r.slices[group][metric] for r in runs])
                for group, metric in columns.values()
            ),
        ]
        for name, runs in reports.items()
    ]
    return table(["model", *columns], rows)


def differences(reports: Reports) -> rw.Comparison:
    """Compare the users' values, averaged over the seeds."""
    means = [
        replace(
            runs[0],
            name=name,
            values={m: np.mean([r.values[m] for r in runs], axis=0) for m in runs[0].values},
        )
        for name, runs in reports.items()
    ]
    return rw.compare(means, reference=REFERENCE)


def difference_table(comparison: rw.Comparison) -> str:
    rows = [
        [name, f"{d['difference']:+.4f}", f"[{d['low']:+.4f}, {d['high']:+.4f}]"]
        for name, d in comparison.differences.items()
    ]
    return table(["model", f"warm HR@10 less that of {REFERENCE}", "95 % interval"], rows)


def type_table(reports: Reports) -> str:
    """Return HR@10 inside each item type."""
    kinds = list(reports[REFERENCE][0].types)
    rows = [
        [name, *(spread([r.types[kind]["hr"] for r in runs]) for kind in kinds)]
        for name, runs in reports.items()
    ]
    return table(["model", *kinds], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="every report, for other tables")
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    a = parser.parse_args()

    reports = warm_reports(a.seeds)
    cold = cold_item_reports(a.seeds)
    comparison = differences(reports)
    blocks = {
        "quality": metric_table(reports, COLUMNS),
        "quality-differences": difference_table(comparison),
        "quality-types": type_table(reports),
        "quality-cold-items": metric_table(cold, COLD_COLUMNS),
    }
    for name, text in blocks.items():
        print(f"\n{name}\n{text}")
        if a.write:
            replace_block(a.write, name, text)
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
        result = {
            "seeds": a.seeds,
            "warm": {name: [r.to_dict() for r in runs] for name, runs in reports.items()},
            "cold_items": {name: [r.to_dict() for r in runs] for name, runs in cold.items()},
            "differences": comparison.differences,
        }
        a.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
