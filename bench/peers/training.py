"""Whole training, graph to towers, against the plain PyTorch program at equal quality."""

from __future__ import annotations

from functools import cache
from statistics import mean
from typing import Any

from comparison import Comparison, medians, run_program

NEEDS = ("torch",)
NAMES = ("training_vs_torch",)
PEER = "PyTorch, bench/peers/two_tower_hgnn_pytorch.py"

# Warm HR@10 of one seed varies by about .003 in either program (standard deviation over seeds), so
# the difference of two means of three by about .0025.
TOLERANCE = 0.005


def ours(seed: int, threads: int) -> dict[str, float]:
    done = run_program("relweave_two_tower_hgnn.py", ["--seed", seed, "--threads", threads])
    stage = done["stage"]
    return {
        "train_s": stage["train"],
        "hgnn_epoch_s": stage["hgnn_epoch"],
        "two_tower_epoch_s": stage["towers_epoch"],
        "hgnn_epoch_operations": done["operations"]["hgnn"],
        "two_tower_epoch_operations": done["operations"]["towers"],
        "train_peak_mib": stage["train_peak_mib"],
        **quality(done["metrics"]["2thgnn"]),
    }


def peer(seed: int, threads: int) -> dict[str, float]:
    recipe = ["--preset", "best", "--split", "test", "--models", "2thgnn"]
    done = run_program("two_tower_hgnn_pytorch.py", [*recipe, "--seed", seed, "--threads", threads])
    stage = done["stage"]
    return {
        "train_s": stage["graph"] + stage["hgnn_total"] + stage["2thgnn_total"],
        "hgnn_epoch_s": stage["hgnn_epoch"],
        "two_tower_epoch_s": stage["2thgnn_epoch"],
        "train_peak_mib": stage["train_peak_mib"],
        **quality(done["metrics"]["2thgnn"]),
    }


def quality(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: metrics["warm"][name] for name in ("hr", "ndcg", "mrr")}


@cache
def runs(threads: int, repeats: int) -> dict[str, list[dict[str, float]]]:
    """Run the programs in turns, a seed each time; once for all who compare them."""
    rows: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for seed in range(repeats):
        rows["ours"].append(ours(seed, threads))
        rows["peer"].append(peer(seed, threads))
    return rows


def mean_hr(rows: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    return {who: mean(row["hr"] for row in all_rows) for who, all_rows in rows.items()}


def equal_quality(rows: dict[str, list[dict[str, float]]]) -> bool:
    hr = mean_hr(rows)
    return hr["ours"] >= hr["peer"] - TOLERANCE


def compare(threads: int, repeats: int) -> list[Comparison]:
    rows = runs(threads, repeats)
    middle = {who: medians(all_rows) for who, all_rows in rows.items()}
    peak = {who: middle[who]["train_peak_mib"] for who in middle}
    hr = mean_hr(rows)
    return [
        Comparison(
            NAMES[0],
            PEER,
            threads,
            middle["ours"]["train_s"],
            middle["peer"]["train_s"],
            equal_quality(rows),
            {
                "mean_hr": hr,
                "peak_mib": peak,
                "memory_ratio": peak["ours"] / peak["peer"],
                "runs": rows,
            },
            f"Peak memory {peak['ours']:.0f} MiB against {peak['peer']:.0f} MiB, mean warm HR@10 "
            f"{hr['ours']:.3f} against {hr['peer']:.3f}.",
        )
    ]
