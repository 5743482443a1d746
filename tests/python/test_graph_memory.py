"""The item graph under a memory limit: the same links, files that leave nothing, typed errors."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import relweave as rw

USERS, ITEMS = 3000, 60
TYPES = np.array(["book", "song", "song"])


def random_log(seed, events=60_000):
    rng = np.random.default_rng(seed)
    skewed = rng.random(events) * rng.random(events)
    return rw.InteractionLog(
        {
            "user": rng.integers(0, USERS, events),
            "item": (skewed * ITEMS).astype(np.int64),
            "time": rng.integers(0, 400, events) * 3600,
            "signal": np.where(rng.random(events) < 0.75, "strong", "weak"),
        },
        user="user",
        item="item",
        time="time",
        signal="signal",
    )


@pytest.fixture(scope="module")
def catalog():
    return rw.Catalog(
        {"item": np.arange(ITEMS), "type": TYPES[np.arange(ITEMS) % 3]}, id="item", type="type"
    )


@pytest.fixture(scope="module")
def log():
    return random_log(0)


def smallest_limit(log, catalog, **settings):
    with pytest.raises(rw.ConfigError, match="GraphConfig: memory_limit: got 1 bytes") as refused:
        rw.CoInteractionGraph.build(log, catalog, {**settings, "memory_limit": 1})
    return int(re.search(r"at least (\d+)", str(refused.value))[1])


def columns(graph):
    return graph.lower, graph.upper, graph.counts, graph.weights


@pytest.mark.parametrize("seed", range(6))
def test_links_are_the_same_under_any_limit(catalog, tmp_path, seed):
    rng = np.random.default_rng(seed)
    log = random_log(seed)
    settings = {
        "max_history": int(rng.integers(2, 40)),
        "top_neighbors": int(rng.integers(0, 6)),
        "min_count": int(rng.integers(1, 4)),
        "window_seconds": int(rng.integers(0, 2) * 100 * 3600),
        "weight": str(rng.choice(["count", "cosine", "pmi"])),
        "strong_only": bool(rng.integers(0, 2)),
        "temp_folder": tmp_path,
    }
    expected = rw.CoInteractionGraph.build(log, catalog, settings)
    smallest = smallest_limit(log, catalog, **settings)

    runs = []
    for threads in (1, 3):
        for factor in (1, 1.7, 5, 1000):
            limited = {**settings, "memory_limit": int(smallest * factor)}
            graph = rw.CoInteractionGraph.build(log, catalog, limited, threads=threads)

            for got, wanted in zip(columns(graph), columns(expected), strict=True):
                np.testing.assert_array_equal(got, wanted)
            runs.append(graph.report().runs)
            assert graph.report().planned_bytes <= limited["memory_limit"]
    assert max(runs) > 1
    assert min(runs) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_report_shows_what_went_through_files(log, catalog):
    limit = smallest_limit(log, catalog, top_neighbors=3)

    limited = rw.CoInteractionGraph.build(
        log, catalog, {"top_neighbors": 3, "memory_limit": limit}
    ).report()
    free = rw.CoInteractionGraph.build(log, catalog, {"top_neighbors": 3}).report()

    assert limited.runs > 1
    assert limited.log_passes >= limited.runs
    assert limited.spilled_bytes > 0
    assert f"spilled bytes      {limited.spilled_bytes:,}" in str(limited)
    assert (free.runs, free.log_passes, free.spilled_bytes) == (0, 1, 0)
    assert free.planned_bytes > limited.planned_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 * 1024**3),
        ("1.5 gib", 3 * 1024**3 // 2),
        ("500 MB", 500_000_000),
        ("7kB", 7000),
        ("3 TiB", 3 * 1024**4),
        ("12", 12),
        ("12B", 12),
        (np.int64(5), 5),
        (0, 0),
    ],
)
def test_a_memory_limit_is_bytes_or_text_with_a_unit(text, size):
    assert rw.GraphConfig(memory_limit=text).settings()["memory_limit"] == size


@pytest.mark.parametrize(
    "value", ["2 GiX", "GiB", "", "-1GB", "1e9", "1,5GB", "9999999TiB", -1, 2.5, True, None, [1]]
)
def test_other_memory_limits_are_refused(log, catalog, value):
    with pytest.raises(rw.ConfigError, match="GraphConfig: memory_limit: got"):
        rw.CoInteractionGraph.build(log, catalog, {"memory_limit": value})


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        ("/nowhere/at/all", rw.IoError, "No such file or directory in '/nowhere/at/all'"),
        ("/dev/null", rw.IoError, "Not a directory"),
        ("/proc/self", rw.IoError, "/proc/self"),
        ("a\0b", rw.IoError, "the path of a folder"),
        (3, rw.DTypeError, "got int"),
    ],
)
def test_folders_that_cannot_hold_files_are_refused(log, catalog, folder, error, message):
    limit = smallest_limit(log, catalog)

    with pytest.raises(error, match=message):
        rw.CoInteractionGraph.build(log, catalog, {"memory_limit": limit, "temp_folder": folder})


def test_a_folder_without_permission_and_a_file_are_refused(log, catalog, tmp_path):
    limit = smallest_limit(log, catalog)
    file = tmp_path / "file"
    file.write_text("mine")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    user = os.geteuid()

    with pytest.raises(rw.IoError, match=r"Not a directory in .*file'.*Set temp_folder to one"):
        rw.CoInteractionGraph.build(log, catalog, {"memory_limit": limit, "temp_folder": file})
    try:
        if user == 0:  # who may write anywhere
            os.seteuid(65534)
        with pytest.raises(rw.IoError, match=r"Permission denied in .*closed'.*Set temp_folder"):
            rw.CoInteractionGraph.build(
                log, catalog, {"memory_limit": limit, "temp_folder": closed}
            )
    finally:
        os.seteuid(user)

    assert file.read_text() == "mine"
    assert list(closed.iterdir()) == []


def test_a_fit_whose_graph_finds_no_folder_leaves_the_model_as_it_was(tiny):
    model = rw.Recommender(hgnn={"epochs": 1}, towers={"epochs": 1})
    model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=False)
    before = model.score_users(["u0", "nobody"])
    model.graph = {
        "memory_limit": smallest_limit(tiny.log(), tiny.catalog()),
        "temp_folder": "/nowhere/at/all",
    }

    with pytest.raises(rw.IoError, match="temp_folder: got No such file or directory"):
        model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=False)

    np.testing.assert_array_equal(model.score_users(["u0", "nobody"]), before)


def test_a_full_disk_is_an_error_that_leaves_nothing(log, catalog, tmp_path):
    """The file system refuses after some bytes, as a full disk does."""
    settings = {"memory_limit": smallest_limit(log, catalog), "temp_folder": tmp_path}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    files = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))

    try:
        with pytest.raises(rw.IoError, match=r"File too large in .*larger disk, or raise memory_l"):
            rw.CoInteractionGraph.build(log, catalog, settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == files


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_stop_half_way_leaves_nothing(log, catalog, tmp_path, error):
    settings = {"memory_limit": smallest_limit(log, catalog), "temp_folder": tmp_path}
    files = len(os.listdir("/proc/self/fd"))
    most = []

    def stop(progress):
        most.append(len(os.listdir("/proc/self/fd")))
        if progress.done > 0.5:
            raise error("mine")

    with pytest.raises(error, match="mine"):
        rw.CoInteractionGraph.build(log, catalog, settings, threads=2, progress=stop)

    assert max(most) > files
    assert len(os.listdir("/proc/self/fd")) == files
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_stops_a_build_without_a_progress_function(catalog, tmp_path):
    log = random_log(1, events=2_000_000)
    settings = {"memory_limit": smallest_limit(log, catalog), "temp_folder": tmp_path}
    files = len(os.listdir("/proc/self/fd"))
    rung = []

    def answer(number, frame):
        rung.append(time.monotonic())
        raise KeyboardInterrupt

    begun = time.monotonic()
    rw.CoInteractionGraph.build(log, catalog, settings)
    whole = time.monotonic() - begun
    before = signal.signal(signal.SIGALRM, answer)

    try:
        begun = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, whole / 3)
        with pytest.raises(KeyboardInterrupt):
            rw.CoInteractionGraph.build(log, catalog, settings)
        stopped = time.monotonic()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert rung[0] - begun < 0.8 * whole  # not only when it is done
    assert stopped - rung[0] < 0.5 * whole
    assert len(os.listdir("/proc/self/fd")) == files
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_files(tmp_path):
    program = f"""
import os, signal, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
import relweave as rw
from test_graph_memory import ITEMS, TYPES, random_log
import numpy as np
catalog = rw.Catalog({{"item": np.arange(ITEMS)}}, id="item")
def kill(progress):
    if progress.done > 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
rw.CoInteractionGraph.build(
    random_log(0), catalog, {{"memory_limit": 100_000, "temp_folder": {str(tmp_path)!r}}},
    progress=kill)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_does_not_keep_the_limits_of_its_machine(tiny, tmp_path):
    graph = {"memory_limit": "1GiB", "temp_folder": str(tmp_path / "gone")}
    model = rw.Recommender(graph=graph, hgnn={"epochs": 1}, towers={"epochs": 1})
    model.fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=False)

    model.save(tmp_path / "model")

    loaded = rw.load(tmp_path / "model")
    assert loaded.graph == rw.GraphConfig()
    assert "gone" not in (tmp_path / "model" / "config.json").read_text()
