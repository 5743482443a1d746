"""Time PyTorch and PyG on the inputs of relweave_gpu_bench, on the same card in the same run.

Usage: python bench/gpu/peers.py --ours bench.json --data FOLDER --json peers.json

Reads the rows of ours to know what to measure, and the graphs that relweave_gpu_bench --dump wrote
to FOLDER. Results are compared with obvious loops on a small graph first.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import peer_reference
from peer_cases import PEERS, Call, Peer
from peer_inputs import Graph, Values, load_graph, small_graph

DTYPES = {"float": torch.float32, "bfloat16": torch.bfloat16}
SMALL_D = 8


class Timer:
    """Medians of repeats with a cold cache, by events on a GPU, by the clock without one."""

    def __init__(self, device: torch.device, repeats: int, seconds: float, flushed: int) -> None:
        self.device, self.repeats, self.seconds = device, repeats, seconds
        self.flush = torch.empty(flushed, dtype=torch.uint8, device=device)

    def times(self, call: Call) -> list[float]:
        first = self.some(call, 1)[0]
        fitting = int(self.seconds / max(first, 1e-9))
        return sorted(self.some(call, max(min(5, self.repeats), min(self.repeats, fitting))))

    def some(self, call: Call, count: int) -> list[float]:
        if self.device.type == "cpu":
            times = []
            for _ in range(count):
                begin = time.perf_counter()
                call()
                times.append(time.perf_counter() - begin)
            return times
        pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
        for begin, end in pairs:
            self.flush.zero_()
            begin.record()
            call()
            end.record()
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) / 1e3 for begin, end in pairs]


def expected(peer: Peer, graph: Graph, values: Values) -> np.ndarray:
    """Return what a peer of relation_aggregate must compute, for all types one after the other."""

    def numbers(rows: int, seed: int) -> np.ndarray:
        return values.matrix(rows, SMALL_D, seed=seed).double().cpu().numpy()

    _, way, reduce = peer.work.split(".")
    parts = []
    for g in graph.destinations:
        if reduce == "max":
            messages, self_term = numbers(g.message_rows, 2), numbers(g.n_dst, 3)
            if way == "forward":
                out = self_term + peer_reference.aggregate(g, messages, "max")
                parts.append(np.maximum(out, 0))
            else:
                gradient = numbers(g.n_dst, 4)
                parts.append(peer_reference.max_gradient(g, messages, self_term, gradient))
        elif way == "forward":
            parts.append(peer_reference.aggregate(g, numbers(g.message_rows, 2), reduce))
        else:
            parts.append(peer_reference.linear_gradient(g, numbers(g.n_dst, 2), reduce))
    return np.concatenate(parts)


def difference(peer: Peer, values: Values) -> str:
    """Return how a peer's result on a small graph differs from the loops'; empty if it does not."""
    graph = small_graph()
    got = peer.make(values, graph, SMALL_D)().detach().double().cpu().numpy()
    wanted = expected(peer, graph, values)
    if got.shape != wanted.shape:
        return f"shape {got.shape}, expected {wanted.shape}"
    tolerance = 1e-5 if values.dtype == torch.float32 else 0.05
    apart = float(np.abs(got - wanted).max())
    return "" if apart <= tolerance else f"differs by {apart}, expected at most {tolerance}"


def measure(
    peer: Peer,
    row: dict[str, Any],
    data: Path,
    values: Values,
    timer: Timer,
    graphs: dict[str, Graph],
) -> dict[str, Any]:
    """Return the peer's row beside ours; edges and bytes are ours, which the work asks for."""
    result = {key: row[key] for key in ("work", "dtype", "workload", "d", "sizes")}
    result["by"] = peer.by
    if peer.missing:
        return {**result, "skipped": peer.missing}
    try:
        if peer.on_graph:
            if row["workload"] not in graphs:
                graphs.clear()  # the largest take much of the memory
                graphs[row["workload"]] = load_graph(data / row["workload"])
            source: Graph | Sequence[int] = graphs[row["workload"]]
            if peer.checked and (wrong := difference(peer, values)):
                return {**result, "wrong": wrong}
        else:
            source = [size for size in row["sizes"] if size > 0]
        times = timer.times(peer.make(values, source, row["d"]))
    except torch.OutOfMemoryError as error:
        needed = re.search("Tried to allocate [^.]*[.]?[0-9]* .iB", str(error))
        return {**result, "skipped": f"out of memory: {needed[0] if needed else error}"}
    except RuntimeError as error:
        return {**result, "skipped": f"refused: {str(error).splitlines()[0]}"}
    finally:
        if values.device.type == "cuda":
            torch.cuda.empty_cache()
    return {
        **result,
        "median_s": median(times),
        "min_s": times[0],
        "max_s": times[-1],
        "repeats": len(times),
        **{key: row[key] for key in ("edges", "bytes", "operations")},
    }


def firsts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each problem of each work the first of our rows that was measured."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if "median_s" in row:
            found.setdefault((row["work"], row["dtype"], row["workload"], row["d"]), row)
    return list(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the peers, run none")
    parser.add_argument("--ours", type=Path, help="JSON of relweave_gpu_bench")
    parser.add_argument("--data", type=Path, help="folder of its --dump")
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--device", default="cuda", help="cpu serves tests")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=0.2)
    a = parser.parse_args()
    if a.list:
        for peer in PEERS:
            note = f"  (would be skipped: {peer.missing})" if peer.missing else ""
            print(f"{peer.work}/{peer.by}{note}")
        return 0
    if not (a.ours and a.data and a.json):
        parser.error("--ours, --data and --json are needed, or --list")

    ours = json.loads(a.ours.read_text(encoding="utf-8"))
    device = torch.device(a.device)
    timer = Timer(device, a.repeats, a.seconds, ours["device"]["flushed_bytes"])
    versions = {"torch": torch.__version__}
    if find_spec("torch_geometric"):
        versions["torch_geometric"] = version("torch_geometric")
    graphs: dict[str, Graph] = {}
    rows: list[dict[str, Any]] = []
    for row in firsts(ours["rows"]):
        for peer in PEERS:
            if peer.work == row["work"]:
                values = Values(device, DTYPES[row["dtype"]])
                rows.append(measure(peer, row, a.data, values, timer, graphs))
                outcome = rows[-1].get("median_s") or rows[-1].get("skipped") or rows[-1]["wrong"]
                print(f"{peer.work}/{peer.by}/{row['dtype']}/{row['workload']}: {outcome}")
        # Who runs out of time keeps what there is.
        found = json.dumps({"versions": versions, "rows": rows}, indent=1)
        a.json.write_text(found, encoding="utf-8")
    return 1 if any("wrong" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
