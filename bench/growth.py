"""Time and memory of a layer and of the item graph as edges, types, features and threads grow.

Every point is a process of its own, so that memory is its own too. --write puts the table between
the page's marks and the plot beside it.

Usage: python bench/growth.py [--json OUT] [--write docs/benchmarks.md] [--scale 1] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import relweave as rw

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

from markdown import replace_block, table
from peak_memory import peak_mib

BASE = {"edges": 4_000_000, "types": 3, "d": 128, "threads": 2}
EDGES = [500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000]
TYPES = [1, 2, 4, 7, 14, 28]
FEATURES = [32, 64, 128, 256]
EVENTS = [1_000_000, 2_000_000, 4_000_000, 8_000_000, 16_000_000]

NODES_PER_EDGE = 1 / 60
"""Nodes of all types: a degree of 60 over all relations, whatever else grows."""


def layer_graph(edges: int, types: int) -> rw.HeteroGraph:
    """Return a graph with a relation for every ordered pair of types, all of one size."""
    rng = np.random.default_rng(0)
    names = [f"t{k}" for k in range(types)]
    nodes = max(1, round(edges * NODES_PER_EDGE / types))
    per_relation = edges // types**2
    return rw.HeteroGraph(
        dict.fromkeys(names, nodes),
        {
            (a, "to", b): (
                rng.integers(0, nodes, per_relation, dtype=np.int32),
                rng.integers(0, nodes, per_relation, dtype=np.int32),
            )
            for a in names
            for b in names
        },
    )


def seconds_of(call: Callable[[], Any], repeats: int) -> float:
    """Return the median, after one call that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return median(times)


def forget_peak() -> float:
    """Let the peak of this process's memory begin anew; return what it holds, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


def layer(edges: int, types: int, d: int, threads: int, repeats: int) -> dict[str, float]:
    """Time a max-pooling layer, forward and with all gradients."""
    graph = layer_graph(edges, types)
    sizes = dict.fromkeys(graph.node_types, d)
    net = rw.nn.HeteroSAGE(graph.schema, sizes, hidden=d, layers=1, threads=threads)
    rng = np.random.default_rng(1)
    x = {t: rng.random((n, d), np.float32) for t, n in graph.node_counts.items()}
    before = forget_peak()
    out = net(graph, x)
    forward = seconds_of(lambda: net(graph, x), repeats)
    both = forward + seconds_of(lambda: net.backward(out), repeats)
    return {"forward_s": forward, "both_s": both, "layer_mib": peak_mib() - before}


def item_graph(events: int, threads: int, repeats: int) -> dict[str, float]:
    """Time the co-interaction graph of a log whose users and items grow with it."""
    users, items = events // 100, events // 400
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(0, users, events, dtype=np.int32))
    item = (items * rng.random(events) ** 1.5).astype(np.int32)
    kinds = np.array(["song", "book", "game"])[np.arange(items) % 3]
    catalog = rw.Catalog({"item": np.arange(items), "kind": kinds}, id="item", type="kind")
    log = rw.InteractionLog(
        {"user": user, "item": item, "time": np.arange(events)},
        user="user",
        item="item",
        time="time",
    )
    before = forget_peak()
    seconds = seconds_of(
        lambda: rw.CoInteractionGraph.build(log, catalog, threads=threads), max(1, repeats - 1)
    )
    return {"build_s": seconds, "build_mib": peak_mib() - before}


def points(scale: float) -> list[dict[str, Any]]:
    """Return what to measure: one of the sizes grows, the others stay."""
    found: list[dict[str, Any]] = []
    for grows, values in (
        ("edges", [round(e * scale) for e in EDGES]),
        ("types", TYPES),
        ("d", FEATURES),
        ("threads", [1, 2]),
    ):
        base = BASE | {"edges": round(BASE["edges"] * scale)}
        found += [{"work": "layer", "grows": grows, **base, grows: v} for v in values]
    found += [
        {"work": "item_graph", "grows": "events", "events": round(e * scale), "threads": 2}
        for e in EVENTS
    ]
    return found


def measure(point: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Measure a point in this process."""
    work = {"layer": layer, "item_graph": item_graph}[point["work"]]
    sizes = {k: v for k, v in point.items() if k not in ("work", "grows")}
    return point | work(**sizes, repeats=repeats)


def in_a_process(point: dict[str, Any], repeats: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--point", json.dumps(point), "--repeats", str(repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def show(rows: list[dict[str, Any]]) -> str:
    """Return the tables of the page."""
    layers = [
        [
            r["grows"],
            f"{r['edges']:,}",
            r["types"],
            r["types"] ** 2,
            r["d"],
            r["threads"],
            f"{1e3 * r['forward_s']:.1f}",
            f"{1e3 * r['both_s']:.1f}",
            f"{1e9 * r['both_s'] / r['edges']:.1f}",
            f"{r['layer_mib']:.0f}",
        ]
        for r in rows
        if r["work"] == "layer"
    ]
    graphs = [
        [
            f"{r['events']:,}",
            f"{r['build_s']:.2f}",
            f"{1e9 * r['build_s'] / r['events']:.0f}",
            f"{r['build_mib']:.0f}",
        ]
        for r in rows
        if r["work"] == "item_graph"
    ]
    head = ["grows", "edges", "types", "relations", "d", "threads", "forward, ms"]
    head += ["with gradients, ms", "ns / edge", "memory, MiB"]
    return "\n\n".join(
        [
            table(head, layers),
            table(["events", "item graph, s", "ns / event", "memory, MiB"], graphs, text_columns=0),
            "![Time as sizes grow](growth.png)",
        ]
    )


def plot(rows: list[dict[str, Any]], to: Path) -> None:
    """Draw time against each size, both logarithmic; the dashed line is proportional."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = [
        ("edges", "both_s", "layer with gradients, s"),
        ("types", "both_s", "layer with gradients, s"),
        ("d", "both_s", "layer with gradients, s"),
        ("events", "build_s", "item graph, s"),
    ]
    figure, axes = plt.subplots(1, len(panels), figsize=(14, 3.2), constrained_layout=True)
    for ax, (grows, value, label) in zip(axes, panels, strict=True):
        some = [r for r in rows if r["grows"] == grows]
        x = np.array([r[grows] for r in some], float)
        y = np.array([r[value] for r in some])
        ax.loglog(x, y, "o-", color="#2a6f97")
        if grows != "types":  # the same edges among more relations
            ax.loglog(x, y[-1] * x / x[-1], "--", color="#999999", linewidth=1)
        ax.set_xticks(x, [f"{v / 1e6:g} M" if v >= 1e5 else f"{v:g}" for v in x], fontsize=8)
        ax.set_xticks([], minor=True)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
        ax.set_xlabel({"d": "features"}.get(grows, grows))
        ax.set_ylabel(label)
        ax.set_ylim(bottom=y.min() / 2, top=y.max() * 2)
        ax.grid(alpha=0.3, which="both")
    figure.savefig(to, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="of edges and events")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--write", type=Path, help="page whose tables are replaced")
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.point:
        print(json.dumps(measure(a.point, a.repeats)))
        return
    rows = []
    for point in points(a.scale):
        rows.append(in_a_process(point, a.repeats))
        print(json.dumps(rows[-1]), flush=True)
    if a.json:
        a.json.parent.mkdir(parents=True, exist_ok=True)
        a.json.write_text(json.dumps({**rw.bench.machine(), "points": rows}, indent=2) + "\n")
    if a.write:
        plot(rows, a.write.parent / "growth.png")
        replace_block(a.write, "growth", show(rows))


if __name__ == "__main__":
    main()
