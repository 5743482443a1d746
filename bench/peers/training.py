"""Whole training, graph to towers, against the plain PyTorch program at equal quality."""

from __future__ import annotations

from statistics import mean
from typing import Any

from comparison import Comparison, medians, run_program

# Warm HR@10 of one seed varies by about .003 in either program (standard deviation over seeds), so
# the difference of two means of three by about .0025.
TOLERANCE = 0.005


def ours(seed: int, threads: int) -> dict[str, float]:
    done = run_program("relweave_two_tower_hgnn.py", ["--seed", seed, "--threads", threads])
    stage = done.result["stage"]
    return {
        "train_s": stage["train"],
        "hgnn_epoch_s": stage["hgnn_epoch"],
        "two_tower_epoch_s": stage["towers_epoch"],
        "train_peak_mib": stage["train_peak_mib"],
        **quality(done.result["metrics"]["2thgnn"]),
    }


def peer(seed: int, threads: int) -> dict[str, float]:
    recipe = ["--preset", "best", "--split", "test", "--models", "2thgnn"]
    done = run_program("two_tower_hgnn_pytorch.py", [*recipe, "--seed", seed, "--threads", threads])
    stage = done.result["stage"]
    return {
        "train_s": stage["graph"] + stage["hgnn_total"] + stage["2thgnn_total"],
        "hgnn_epoch_s": stage["hgnn_epoch"],
        "two_tower_epoch_s": stage["2thgnn_epoch"],
        "train_peak_mib": stage["train_peak_mib"],
        **quality(done.result["metrics"]["2thgnn"]),
    }


def quality(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: metrics["warm"][name] for name in ("hr", "ndcg", "mrr")}


def compare(threads: int, repeats: int) -> list[Comparison]:
    """Run the programs in turns, a seed each time."""
    rows: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for seed in range(repeats):
        rows["ours"].append(ours(seed, threads))
        rows["peer"].append(peer(seed, threads))
    middle = {who: medians(all_rows) for who, all_rows in rows.items()}
    hr = {who: mean(row["hr"] for row in all_rows) for who, all_rows in rows.items()}
    agree = hr["ours"] >= hr["peer"] - TOLERANCE
    names = {
        "training_vs_torch": "train_s",
        "hgnn_epoch_vs_torch": "hgnn_epoch_s",
        "two_tower_epoch_vs_torch": "two_tower_epoch_s",
    }
    details = {
        "mean_hr": hr,
        "peak_mib": {who: middle[who]["train_peak_mib"] for who in middle},
        "memory_ratio": middle["ours"]["train_peak_mib"] / middle["peer"]["train_peak_mib"],
        "runs": rows,
    }
    return [
        Comparison(
            name,
            "PyTorch, bench/peers/two_tower_hgnn_pytorch.py",
            threads,
            middle["ours"][key],
            middle["peer"][key],
            agree,
            details if name == "training_vs_torch" else {},
        )
        for name, key in names.items()
    ]
