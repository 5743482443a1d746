"""What scripts/gpu_report.sh is made of, as far as it runs without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def bench_path(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench" / "gpu")


def script(*options):
    command = [ROOT / "scripts/gpu_report.sh", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fast"], "got '--fast', expected an option or a stage"),
        (["benches"], "got 'benches', expected an option or a stage"),
        (["bench", "--scale"], "--scale needs a value"),
    ],
)
def test_the_script_refuses_what_it_does_not_know(options, message):
    done = script(*options)

    assert done.returncode == 1
    assert message in done.stderr


def test_the_script_without_a_gpu_says_so(tmp_path, monkeypatch):
    without = tmp_path / "nvidia-smi"
    without.write_text("#!/bin/sh\nexit 9\n")
    without.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    done = script("bench")

    assert done.returncode == 1
    assert "no NVIDIA GPU here" in done.stderr


def row(by, seconds, **more):
    return {
        "work": "relation_aggregate.forward.sum",
        "by": by,
        "dtype": "float",
        "workload": "arxiv_like",
        "d": 64,
        "median_s": seconds,
        "min_s": seconds,
        "max_s": seconds,
        "repeats": 5,
        "edges": 2e9,
        "bytes": 4e9,
        "operations": 0.0,
        **more,
    }


def skipped(by, **more):
    full = row(by, 1.0, **more)
    return {key: full[key] for key in ("work", "by", "dtype", "workload", "d", *more)}


@pytest.fixture
def write(tmp_path):
    def run(bench_rows, peer_rows=(), checks=""):
        device = {
            "name": "NVIDIA H200",
            "compute_capability": 90,
            "multiprocessors": 132,
            "memory_bytes": 2**37,
            "flushed_bytes": 2**20,
            "cuda_runtime": 13000,
            "cuda_driver": 13000,
        }
        bench = {"device": device, "scale": 1, "copy_bytes_per_s": 4e12, "rows": bench_rows}
        peers = {"versions": {"torch": "2.x"}, "rows": list(peer_rows)}
        (tmp_path / "bench.json").write_text(json.dumps(bench))
        (tmp_path / "peers.json").write_text(json.dumps(peers))
        (tmp_path / "checks.txt").write_text(checks)
        files = [
            f"--{name.split('.')[0]}={tmp_path / name}"
            for name in ("bench.json", "peers.json", "checks.txt")
        ]
        done = subprocess.run(
            [sys.executable, ROOT / "bench/gpu/report.py", *files, f"--out={tmp_path / 'out'}"],
            capture_output=True,
            text=True,
            check=False,
        )
        stem = tmp_path / "out" / "gpu_nvidia_h200"
        page = stem.with_suffix(".md").read_text()
        return done, json.loads(stem.with_suffix(".json").read_text()), page

    return run


def test_a_report_has_rates_and_times_over_the_first_of_the_problem(write):
    done, report, page = write([row("relweave", 0.002)], [row("torch.sparse.mm", 0.005)])

    assert done.returncode == 0, done.stderr
    ours, theirs = report["rows"]
    assert ours["edges_per_s"] == pytest.approx(1e12)
    assert ours["share_of_copy"] == pytest.approx(0.5)
    assert theirs["time_over_first"] == pytest.approx(2.5)
    assert (
        "| arxiv_like | 64 | float | torch.sparse.mm | 5 | 2.50 | 400 | 4 | 800 | 20% | - |" in page
    )


def test_a_report_says_what_was_skipped_and_why_and_what_the_tests_said(write):
    done, report, page = write(
        [row("relweave", 0.002), skipped("cuSPARSE ALG2", skipped="built without cuSPARSE")],
        checks="relweave_gpu_tests: All tests passed\n",
    )

    assert done.returncode == 0, done.stderr
    assert report["checks"] == {"relweave_gpu_tests": "All tests passed"}
    assert "cuSPARSE ALG2 (skipped: built without cuSPARSE)" in page
    assert "| relweave_gpu_tests | All tests passed |" in page


def test_a_report_with_a_wrong_result_is_an_error(write):
    done, _, page = write([row("relweave", 0.002, wrong="differs by 1")])

    assert done.returncode == 1
    assert "**WRONG**: differs by 1" in page


def dump(graph, folder):
    """Write a graph as relweave_gpu_bench --dump does."""
    folder.mkdir(parents=True)
    about = {"nodes": graph.nodes, "destinations": []}
    for g in graph.destinations:
        np.save(folder / f"row_offsets_{g.type}.npy", g.row_offsets)
        np.save(folder / f"cols_{g.type}.npy", g.cols)
        relations = []
        for r in g.relations:
            if r.source_rows is not None:
                np.save(folder / f"source_rows_{r.id}.npy", r.source_rows)
            relations.append(
                {
                    "id": r.id,
                    "source": r.source,
                    "message_base": r.message_base,
                    "message_rows": r.message_rows,
                    "all_sources": r.source_rows is None,
                }
            )
        about["destinations"].append(
            {
                "type": g.type,
                "n_dst": g.n_dst,
                "message_rows": g.message_rows,
                "relations": relations,
            }
        )
    (folder / "graph.json").write_text(json.dumps(about))


def test_edges_of_a_relation_are_those_of_its_rows():
    from peer_inputs import small_graph

    g = small_graph().destinations[0]

    sources, destinations = g.edges_of(1)

    expected = []
    for d in range(g.n_dst):
        begin, end = g.row_offsets[2 * d + 1], g.row_offsets[2 * d + 2]
        names = g.relations[1].source_rows[g.cols[begin:end] - g.relations[1].message_base]
        expected += [(int(s), d) for s in names]
    assert len(expected) > 3
    assert list(zip(sources.tolist(), destinations.tolist(), strict=True)) == expected


@pytest.mark.parametrize("dtype", ["float", "bfloat16"])
def test_peers_compute_what_the_loops_compute_and_are_measured(tmp_path, dtype):
    from peer_cases import PEERS
    from peer_inputs import small_graph

    dump(small_graph(), tmp_path / "data" / "small")
    works = dict.fromkeys(peer.work for peer in PEERS)
    ours = [
        row("relweave", 0.1, work=work, dtype=dtype, workload="small", d=8, sizes=[16, 12, 8])
        for work in works
    ]
    bench = {"device": {"flushed_bytes": 64}, "rows": ours}
    (tmp_path / "bench.json").write_text(json.dumps(bench))

    done = subprocess.run(
        [
            sys.executable,
            ROOT / "bench/gpu/peers.py",
            "--device=cpu",
            "--repeats=1",
            f"--ours={tmp_path / 'bench.json'}",
            f"--data={tmp_path / 'data'}",
            f"--json={tmp_path / 'peers.json'}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "peers.json").read_text())["rows"]
    assert [r["work"] for r in rows] == [w for w in works for p in PEERS if p.work == w]
    # PyTorch has no bfloat16 for sparse matrices on the CPU.
    refused = {r["by"]: r["skipped"] for r in rows if "skipped" in r}
    assert refused.keys() == ({"torch.sparse.mm"} if dtype == "bfloat16" else set()), refused
    assert all(r["median_s"] > 0 and r["edges"] == 2e9 for r in rows if r["by"] not in refused)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_a_peer_that_computes_something_else_is_found_out():
    import peers
    from peer_cases import PEERS
    from peer_inputs import Values

    mean = next(p for p in PEERS if p.work == "relation_aggregate.forward.mean")
    values = Values(torch.device("cpu"), torch.float32)

    assert peers.difference(mean, values) == ""
    assert "differs by" in peers.difference(replace(mean, work=mean.work[:-4] + "sum"), values)
