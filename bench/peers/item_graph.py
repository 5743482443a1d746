"""The item graph of one log, by relweave or a peer: capped histories, pair counts, top ten.

Usage: python bench/peers/item_graph.py --by scipy --log log.npz --links links.npz --threads 2
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

from item_graph_joins import by_duckdb, by_pandas, kinds
from item_graph_logs import CAP, TOP, Columns, Links
from peak_memory import held_mib, peak_mib

ROWS = 2000  # items that choose their neighbours at a time, which bounds the peer's memory


def by_relweave(log: Columns, threads: int) -> tuple[Links, dict[str, float]]:
    """Build with the core, which takes dense ids, as SciPy does."""
    from relweave import _core
    from relweave.config import GraphConfig, to_json

    held = held_mib()
    begin = time.perf_counter()
    graph = _core.ItemGraph.build(
        user=log["user"],
        item=log["item"],
        time=log["time"],
        strong=np.ones(len(log["user"]), np.uint8),
        user_count=int(log["users"]),
        type_names=[str(t) for t in range(len(log["offsets"]) - 1)],
        type_offsets=log["offsets"].tolist(),
        config=to_json(graph=GraphConfig(max_history=CAP, top_neighbors=TOP)),
        threads=threads,
        progress=None,
    )
    seconds = time.perf_counter() - begin
    links = (graph.lower, graph.upper, graph.count, graph.weight)
    return links, {"held_mib": held, "seconds": seconds}


def capped(log: Columns) -> tuple[Any, Any]:
    """Return users and items, a pair for each of a user's most recent items, ties to higher ids."""
    user, item, when = log["user"], log["item"], log["time"]
    order = np.lexsort((-when, item, user))
    user, item, when = user[order], item[order], when[order]
    latest = np.r_[True, (user[1:] != user[:-1]) | (item[1:] != item[:-1])]
    user, item, when = user[latest], item[latest], when[latest]
    order = np.lexsort((-item, -when, user))
    user, item = user[order], item[order]
    first = np.r_[0, np.flatnonzero(user[1:] != user[:-1]) + 1]
    rank = np.arange(len(user)) - np.repeat(first, np.diff(np.r_[first, len(user)]))
    return user[rank < CAP], item[rank < CAP]


def strongest(counts: Any, degree: Any, kind: Any) -> Links:
    """Return what either end of a link keeps: its strongest of every type by cosine."""
    ends: list[Any] = []
    for begin in range(0, counts.shape[0], ROWS):
        some = counts[begin : begin + ROWS].tocoo()
        own, other, count = some.row + begin, some.col, some.data.astype(np.int64)
        apart = own != other
        own, other, count = own[apart], other[apart], count[apart]
        weight = (count / np.sqrt(degree[own] * degree[other])).astype(np.float32)
        order = np.lexsort((other, -weight, kind[other], own))
        own, other, count, weight = own[order], other[order], count[order], weight[order]
        group = own.astype(np.int64) * (int(kind.max()) + 1) + kind[other]
        first = np.r_[0, np.flatnonzero(group[1:] != group[:-1]) + 1]
        rank = np.arange(len(own)) - np.repeat(first, np.diff(np.r_[first, len(own)]))
        kept = rank < TOP
        ends.append((own[kept], other[kept], count[kept], weight[kept]))
    own, other, count, weight = (np.concatenate(column) for column in zip(*ends, strict=True))
    lower, upper = np.minimum(own, other), np.maximum(own, other)
    key = lower.astype(np.int64) * counts.shape[0] + upper
    _, once = np.unique(key, return_index=True)
    return lower[once], upper[once], count[once], weight[once]


def by_scipy(log: Columns, _threads: int) -> tuple[Links, dict[str, float]]:
    """Multiply the capped matrix with itself, on the one thread that SciPy has for it."""
    import scipy.sparse as sp

    kind = kinds(log)
    held = held_mib()
    begin = time.perf_counter()
    user, item = capped(log)
    shape = (int(log["users"]), len(kind))
    histories = sp.csr_matrix((np.ones(len(user), np.int32), (user, item)), shape)
    before = time.perf_counter()
    counts = (histories.T @ histories).tocsr()
    product = time.perf_counter() - before
    degree = np.asarray(histories.sum(0)).ravel().astype(np.float64)
    links = strongest(counts, degree, kind)
    seconds = time.perf_counter() - begin
    return links, {"held_mib": held, "seconds": seconds, "product_seconds": product}


BY = {
    "relweave": by_relweave,
    "scipy": by_scipy,
    "pandas": by_pandas,
    "duckdb": by_duckdb,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--by", required=True, choices=list(BY))
    parser.add_argument("--log", required=True, help="columns, as item_graph_logs.py writes them")
    parser.add_argument("--links", required=True, help="where to write the links")
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    with np.load(a.log) as file:
        log = {name: file[name] for name in file.files}
    links, result = BY[a.by](log, a.threads)
    peak = peak_mib()
    np.savez(a.links, **dict(zip(("lower", "upper", "count", "weight"), links, strict=True)))
    print(json.dumps({**result, "peak_mib": peak, "links": len(links[0])}))


if __name__ == "__main__":
    main()
