"""The command line refuses bad input with one line and exit code 2, and leaves no half output."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relweave as rw
from relweave.cli import main

SMALL = [
    *("--set", "hgnn__epochs=1", "--set", "hgnn__layers=[8, 8]"),
    *("--set", "towers__epochs=1", "--set", "towers__layers=[8]"),
]


@pytest.fixture(scope="module")
def files(tiny, tmp_path_factory) -> Path:
    """Good files and bad ones, and a model that they made."""
    folder = tmp_path_factory.mktemp("bad-cli")
    events = pd.DataFrame(tiny.events)
    events.to_csv(folder / "log.csv", index=False)
    pd.DataFrame(tiny.items).to_csv(folder / "items.csv", index=False)
    np.save(folder / "vectors.npy", tiny.vectors)
    np.save(folder / "short.npy", tiny.vectors[:5])
    np.save(folder / "wide.npy", np.ones((160, 7)))
    np.save(folder / "nan.npy", tiny.vectors * np.nan)
    np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object))
    np.savez(folder / "archive.npz", a=tiny.vectors)
    (folder / "cut.npy").write_bytes((folder / "vectors.npy").read_bytes()[:200])
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "broken.parquet").write_bytes(b"PAR1 and no more")
    (folder / "own").mkdir()
    (folder / "own" / "notes.txt").write_text("mine")
    head = "user,item,time,signal\n"
    for name, text in {
        "header.csv": head,
        "twice.csv": "user,item,user,time,signal\na,b,c,1,weak\n",
        "nulls.csv": head + ",i1,1,strong\n",
        "future.csv": head + "u1,i1,32503680000,strong\n",
        "signal.csv": head + "u1,i1,1,meh\n",
        "nul.csv": head + "u\0,i1,1,strong\n",
        "unknown.csv": head + "u1,other,1600000000,strong\n",
        "weak.csv": head + "u1,i1,1600000000,weak\n",
        "no-items.csv": "item,kind,title\n",
        "same-item.csv": "item,kind,title\ni1,song,a\ni1,song,b\n",
        "film.csv": "item,kind,title\nn1,film,a\n",
    }.items():
        (folder / name).write_text(text)
    np.save(folder / "one.npy", np.ones((1, 4)))
    assert run(*fit_arguments(folder), "--out", folder / "model") == 0
    return folder


def run(*arguments):
    return main([str(argument) for argument in arguments])


def fit_arguments(files):
    return [
        *("fit", "--interactions", files / "log.csv", "--items", files / "items.csv"),
        *("--user", "user", "--item", "item", "--time", "time", "--signal", "signal"),
        *("--type", "kind", "--text", "title", "--vectors", files / "vectors.npy"),
        *("--no-progress", *SMALL),
    ]


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(files, capsys, *arguments):
    """Run a command that must fail; return what it said. Nothing may appear or change."""
    before = listing(files)

    code = run(*arguments)

    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith(f"relweave {arguments[0]}: error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert listing(files) == before
    return said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--interactions", "nowhere.csv"], "nowhere.csv"),
        (["--interactions", "nowhere.parquet"], "nowhere.parquet"),
        (["--interactions", "own"], "Is a directory"),
        (["--interactions", "header.csv"], "at least one event"),
        (["--interactions", "binary"], "a readable CSV"),
        (["--interactions", "broken.parquet"], "a readable Parquet file"),
        (["--interactions", "twice.csv"], "'user' twice"),
        (["--interactions", "nulls.csv"], "user: got 1 missing ids"),
        (["--interactions", "future.csv"], "1 events in the future, up to 3000-01-01"),
        (["--interactions", "signal.csv"], "unknown signals such as 'meh'"),
        (["--interactions", "nul.csv"], "ends with a NUL"),
        (["--interactions", "unknown.csv"], "none of them with an item of the catalogue"),
        (["--interactions", "weak.csv"], "at least one link"),
        (["--user", "usr"], "Did you mean 'user'"),
        (["--time", "when"], "time: got 'when'"),
        (["--signal", "how"], "signal: got 'how'"),
        (["--items", "nowhere.csv"], "nowhere.csv"),
        (["--items", "no-items.csv"], "at least one item"),
        (["--items", "same-item.csv"], "duplicate ids such as 'i1'"),
        (["--id", "nr"], "id: got 'nr'"),
        (["--type", "sort"], "type: got 'sort'"),
        (["--text", "words"], "text: got 'words'"),
        (["--metadata", "color"], "metadata: got 'color'"),
        (["--vectors", "nowhere.npy"], "nowhere.npy"),
        (["--vectors", "short.npy"], "(160, d)"),
        (["--vectors", "nan.npy"], "nan in row 0"),
        (["--vectors", "objects.npy"], "a .npy file of numbers"),
        (["--vectors", "archive.npz"], "a .npy file with one array"),
        (["--vectors", "cut.npy"], "a .npy file of numbers"),
        (["--vectors", "binary"], "a .npy file of numbers"),
        (["--encoder", "hash"], "one of them"),
        (["--users", "items.csv"], "users: got 'user'"),
        (["--seed", "-1"], "seed: got -1"),
        (["--seed", str(2**70)], "seed: got"),
        (["--threads", "-3"], "threads: got -3"),
        (["--device", "cuda"], "no CUDA"),
        (["--set", "device=cuda"], "no CUDA"),
        (["--set", "hgnn__epochs=-1"], "epochs: got -1"),
        (["--set", "hgnn__epochs=1e400"], "epochs: got inf"),
        (["--set", "hgnn__epochs=null"], "epochs: got null"),
        (["--set", "hgnn__layers=[1.5]"], "whole numbers"),
        (["--set", "hgnn__layers=[]"], "at least one layer"),
        (["--set", "hgnn=3"], "a mapping"),
        (["--set", "towers__temperature=0"], "temperature: got 0"),
        (["--set", "graph__min_count=-1"], "min_count: got -1"),
        (["--set", "graph__strong_only=maybe"], "true or false"),
        (["--set", "use_hgnn=3"], "use_hgnn: got 3"),
        (["--set", "nonsense=1"], "nonsense"),
        (["--set", "=1"], "unknown setting"),
        (["--out", ""], "the path of a folder"),
        (["--out", "binary"], "not a relweave checkpoint"),
        (["--out", "binary/model"], "Not a directory"),
        (["--out", "own"], "not a relweave checkpoint"),
    ],
)
def test_fits_that_cannot_be_are_refused(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    out = [] if "--out" in arguments else ["--out", "none"]

    said = refused(files, capsys, *fit_arguments(files), *out, *arguments)

    assert message in said


@pytest.mark.parametrize("out", ["", "binary", "binary/model", "own", "/proc/none/model"])
def test_a_model_that_has_no_place_is_not_trained(files, capsys, monkeypatch, out):
    monkeypatch.chdir(files)
    monkeypatch.setattr(rw.Recommender, "fit", lambda *_, **__: pytest.fail("trained"))

    refused(files, capsys, *fit_arguments(files), "--out", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "nothing there"),
        (["--model", "binary"], "a file"),
        (["--model", "own"], "without the manifest"),
        (["--test", "nowhere.csv"], "nowhere.csv"),
        (["--test", "header.csv"], "at least one event"),
        (["--test", "unknown.csv"], "none of them relevant"),
        (["--test", "weak.csv"], "none of them relevant"),
        (["--test", "nulls.csv"], "user: got 1 missing ids"),
        (["--test", "future.csv"], "in the future"),
        (["--user", "usr"], "Did you mean 'user'"),
        (["--k", "0"], "k: got 0"),
        (["--k", "-4"], "k: got -4"),
        (["--json", "own"], "Is a directory"),
        (["--json", "binary/report.json"], "a place that can be written"),
    ],
)
def test_evaluations_that_cannot_be_are_refused(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    later = pd.DataFrame({"user": ["u1"], "item": ["i0"], "time": [1.7e9], "signal": ["strong"]})
    later.to_csv(files / "test.csv", index=False)

    said = refused(files, capsys, "evaluate", "--model", "model", "--test", "test.csv", *arguments)

    assert message in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "nothing there"),
        (["--k", "0"], "k: got 0"),
        (["--k", "-4"], "k: got -4"),
        (["--types", "film"], "book, game, song"),
        (["--out", "own"], "Is a directory"),
        (["--out", ""], "a place that can be written"),
        (["--out", "binary/r.csv"], "a place that can be written"),
    ],
)
def test_recommendations_that_cannot_be_are_refused(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)

    assert message in refused(files, capsys, "recommend", "--model", "model", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "nothing there"),
        (["--items", "nowhere.csv"], "nowhere.csv"),
        (["--items", "no-items.csv", "--vectors", "one.npy"], "at least one item"),
        (["--items", "film.csv", "--vectors", "one.npy"], "book, game, song"),
        (["--items", "items.csv", "--vectors", "short.npy"], "(160, d)"),
        (["--items", "items.csv", "--vectors", "wide.npy"], "4 columns, as in training"),
        (["--items", "items.csv", "--vectors", "nan.npy"], "nan in row 0"),
        (["--items", "items.csv"], "got neither"),
        (["--items", "items.csv", "--encoder", "hash"], "4 columns, as in training"),
        (["--items", "log.csv", "--vectors", "one.npy"], "duplicate ids"),
        (["--vectors", "vectors.npy"], "--vectors without --items"),
        (["--encoder", "hash"], "--encoder without --items"),
        (["--out", "own"], "Is a directory"),
        (["--out", "binary/e.npy"], "a place that can be written"),
    ],
)
def test_embeddings_that_cannot_be_are_refused(files, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    out = [] if "--out" in arguments else ["--out", "e.npy"]

    assert message in refused(files, capsys, "embed", "--model", "model", *out, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["fit"], ["recommend", "--model", "m", "--k", "x"], ["embed", "--space", "x"]],
)
def test_misused_flags_show_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)

    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.startswith("usage: relweave")
    assert "Traceback" not in said


def test_many_and_cold_requests_are_no_errors(files, capsys):
    assert run("recommend", "--model", files / "model", "--users", "u0", "zz", "--k", "9999") == 0
    rows = pd.read_csv(pd.io.common.StringIO(capsys.readouterr().out))

    assert rows.groupby("user")["rank"].max()["zz"] == 160
    assert rows.groupby("user")["rank"].max()["u0"] < 160
    assert np.isfinite(rows["score"]).all()


def test_vectors_without_their_ids_are_not_left(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    (files / "e.ids.csv").mkdir()

    said = refused(files, capsys, "embed", "--model", "model", "--out", "e.npy")

    assert "e.ids.csv" in said
    (files / "e.ids.csv").rmdir()


@pytest.mark.parametrize("call", ["replace", "chmod"])
def test_a_failing_disk_leaves_what_was_there(files, capsys, monkeypatch, call):
    monkeypatch.chdir(files)
    (files / "r.csv").write_text("old")
    (files / "report.json").write_text("old")
    commands = {
        "r.csv": ["recommend", "--model", "model", "--out", "r.csv"],
        "report.json": ["embed", "--model", "model", "--out", "report.json"],
    }

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name, command in commands.items():
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            assert "No space left on device" in refused(files, capsys, *command)
        assert (files / name).read_text() == "old"
        (files / name).unlink()


def test_an_interrupt_while_writing_leaves_what_was_there(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    (files / "own.npy").write_text("old")
    before = listing(files)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", stop)
    assert run("embed", "--model", "model", "--out", "own.npy") == 130

    assert capsys.readouterr().err == "relweave embed: interrupted\n"
    assert (files / "own.npy").read_text() == "old"
    assert listing(files) == before


def start(*arguments, **more):
    command = [sys.executable, "-m", "relweave", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)


def test_ctrl_c_while_training_leaves_no_model(files):
    long = ["--set", "towers__epochs=100000", "--out", files / "none"]
    arguments = [a for a in fit_arguments(files) if a != "--no-progress"]

    with start(*arguments, *long) as process:
        for line in process.stderr:
            if line.startswith("two towers: epoch 2"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 130
    assert rest.endswith("relweave fit: interrupted\n")
    assert "Traceback" not in rest
    assert not (files / "none").exists()


def test_a_full_standard_output_is_an_error(files):
    with open("/dev/full", "w") as full:
        process = start("recommend", "--model", files / "model", stdout=full)
        said = process.communicate(timeout=60)[1]

    assert process.returncode == 2
    assert said == "relweave recommend: error: [Errno 28] No space left on device\n"


def test_an_output_that_lacks_a_letter_is_an_error(files, tiny):
    items = dict(tiny.items, item=["ü" + id for id in tiny.items["item"]])
    events = dict(tiny.events, item=["ü" + id for id in tiny.events["item"]])
    model = rw.Recommender(hgnn={"epochs": 1}, towers={"epochs": 1}).fit(
        rw.InteractionLog(events, user="user", item="item", time="time", signal="signal"),
        rw.Catalog(items, id="item"),
        tiny.vectors,
        progress=False,
    )
    model.save(files / "umlauts")
    ascii = {**os.environ, "PYTHONIOENCODING": "ascii"}

    process = start("recommend", "--model", files / "umlauts", stdout=subprocess.PIPE, env=ascii)

    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert said.startswith("relweave recommend: error: 'ascii' codec can't encode")
    assert said.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error(files):
    with start("recommend", "--model", files / "model", stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()

    assert said == ""
    assert process.returncode == 0
