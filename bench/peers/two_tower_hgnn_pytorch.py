"""2T-HGNN in plain PyTorch on the CPU: graph, HGNN, two towers; what a user would write today.

Prints progress, a table row per model and one JSON line: settings, metrics, seconds per stage,
peak memory. ``--preset paper`` is the recipe of the papers, ``--preset best`` the one chosen on the
validation split.

Usage: python bench/peers/two_tower_hgnn_pytorch.py --preset best --split test --seed 0
"""

from __future__ import annotations

import argparse
import json
import time

import torch
import torch.nn.functional as F

from peak_memory import peak_mib
from pytorch_hgnn import build_graph, train_hgnn
from pytorch_two_tower import mean_history_scores, scores, train_two_tower
from xwines_protocol import HEAD, Data, row

BEST = {
    "window": 0,
    "topk": 10,
    "hbatch": 1024,
    "hepochs": 10,
    "minquota": 2000,
    "uwindow": 0,
    "epochs": 6,
    "batch": 512,
    "loss": "softmax",
    "norm": 1,
    "temp": 0.05,
    "weak": "soft",
    "hist": "loo",
    "colddrop": 0.03,
    "cosine": 1,
    "trend": 0.5,
    "trenddays": 90,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--preset", default="paper", choices=["paper", "best"])
    add("--split", default="val", choices=["val", "test"])
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=2)
    add("--models", default="hgnn,2t,2thgnn")
    add("--hide", type=float, default=0.0, help="share of items without training interactions")
    add("--verbose", type=int, default=1)
    # graph
    add("--maxhist", type=int, default=50, help="last items of a user, here and in the user tower")
    add("--window", type=float, default=90, help="days between two interactions; 0 = no limit")
    add("--topk", type=int, default=0, help="strongest neighbours per node and type; 0 = all")
    # HGNN
    add("--dim", type=int, default=128)
    add("--hepochs", type=int, default=50)
    add("--hbatch", type=int, default=256)
    add("--hlr", type=float, default=1e-3)
    add("--margin", type=float, default=0.3)
    add("--nneg", type=int, default=8)
    add("--fanout", type=int, default=10)
    add("--balanced", type=int, default=1, help="as many edges of every relation per epoch")
    add("--minquota", type=int, default=0, help="but at least this many where there are as many")
    add("--patience", type=int, default=10)
    add("--nodedrop", type=float, default=0.0, help="share of nodes without neighbours in a step")
    add("--draws", type=int, default=8, help="neighbourhood draws averaged in the final vectors")
    # two towers
    add("--layers", default="512,256,128")
    add("--epochs", type=int, default=10)
    add("--batch", type=int, default=128)
    add("--lr", type=float, default=1e-3)
    add("--cosine", type=int, default=0, help="1: cosine decay of the learning rate")
    add("--loss", default="eq5", choices=["eq5", "hinge", "softmax"])
    add("--norm", type=int, default=0, help="1: outputs of length 1")
    add("--temp", type=float, default=0.1)
    add("--logq", type=float, default=1.0, help="weight of the popularity correction")
    add("--hist", default="causal", choices=["causal", "loo"], help="earlier items, or all others")
    add("--uwindow", type=float, default=90, help="days of history; 0 = no limit")
    add("--weak", default="all", choices=["all", "soft", "strong"])
    add("--colddrop", type=float, default=0.0, help="share of examples whose history is hidden")
    add("--trend", type=float, default=0.0, help="weight of the recent trend at serving")
    add("--trenddays", type=float, default=62)
    if parser.parse_known_args()[0].preset == "best":
        parser.set_defaults(**BEST)
    return parser.parse_args()


class Stopwatch(dict):
    """Seconds by stage."""

    def __call__(self, name: str, work, *args):
        begin = time.time()
        result = work(*args)
        self[name] = round(time.time() - begin, 3)
        return result


def main() -> None:
    a = arguments()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    stage = Stopwatch()
    d = stage("load", Data, a.split, a.hide)
    text = torch.tensor(d.text())
    one_hot = F.one_hot(torch.tensor(d.type), d.n_types).float()
    models, results = a.models.split(","), {}

    if "hgnn" in models or "2thgnn" in models:
        lo, hi, sizes = stage("graph", build_graph, d, a)
        stage.update(sizes)
        z = stage("hgnn_total", train_hgnn, d, text, (lo, hi), a, stage)
    if "hgnn" in models:
        results["hgnn"] = d.eval(mean_history_scores(z, d, a))
    if "2t" in models:
        features = torch.cat([text, one_hot], 1)
        net = stage("2t_total", train_two_tower, d, text, features, "2t", a, stage)
        results["2t"] = d.eval(scores(net, d, a))
    if "2thgnn" in models:
        features = torch.cat([text, one_hot, z], 1)
        net = stage("2thgnn_total", train_two_tower, d, z, features, "2thgnn", a, stage)
        score = stage("score", scores, net, d, a)
        stage["train_peak_mib"] = peak_mib()
        results["2thgnn"] = d.eval(score)

    print("model |", HEAD)
    for name, metrics in results.items():
        print(f"{name} |", row(metrics))
    print(json.dumps({"settings": vars(a), "stage": stage, "metrics": results}))


if __name__ == "__main__":
    main()
