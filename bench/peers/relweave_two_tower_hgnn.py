"""relweave under the protocol of the PyTorch program: the same split, metrics and JSON line.

Usage: python bench/peers/relweave_two_tower_hgnn.py --seed 0 --threads 2
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import pandas as pd

import relweave as rw
from dense_work import hgnn_epoch, towers_epoch
from peak_memory import peak_mib
from xwines_protocol import HEAD, Data, row


def frames(d: Data) -> tuple[rw.Catalog, rw.InteractionLog]:
    """Return catalogue and training log with ids that keep the protocol's order recognisable."""
    types = np.asarray(d.type_names)[d.type]
    catalog = rw.Catalog(
        pd.DataFrame({"item": np.arange(d.n_items), "type": types}), id="item", type="type"
    )
    log = rw.InteractionLog(
        pd.DataFrame(
            {"user": d.u, "item": d.i, "time": d.t, "signal": np.where(d.s, "strong", "weak")}
        ),
        user="user",
        item="item",
        time="time",
        signal="signal",
    )
    return catalog, log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", default="test", choices=["val", "test"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    d = Data(a.split)
    catalog, log = frames(d)
    vectors = d.text()
    stage: dict[str, float] = {}

    begin = time.perf_counter()
    model = rw.Recommender(seed=a.seed, threads=a.threads)
    model.fit(log, catalog, features=vectors, progress=False)
    stage["train"] = time.perf_counter() - begin
    for name, history in model.history_.items():
        stage[f"{name}_epoch"] = float(np.median([epoch.seconds for epoch in history.epochs]))
    begin = time.perf_counter()
    scores = model.score_users(d.eval_users)[:, np.argsort(model.item_ids_)]
    stage["score"] = time.perf_counter() - begin
    stage["train_peak_mib"] = peak_mib()

    operations = {"hgnn": hgnn_epoch(model, vectors), "towers": towers_epoch(model, d, vectors)}
    metrics = d.eval(scores)
    print("model |", HEAD)
    print("2T-HGNN |", row(metrics))
    print(json.dumps({"stage": stage, "operations": operations, "metrics": {"2thgnn": metrics}}))


if __name__ == "__main__":
    main()
