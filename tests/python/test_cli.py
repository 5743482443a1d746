"""The command line, end to end on a small log."""

import csv
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import Tiny

import relweave as rw
from relweave.cli import main

SMALL = ["--set", "hgnn__epochs=2", "--set", "towers__epochs=2", "--set", "hgnn__layers=[16, 16]"]


@pytest.fixture(scope="module")
def files(tiny: Tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    events = pd.DataFrame(tiny.events)
    events[:1500].to_csv(folder / "log.csv", index=False)
    events[:1500].to_parquet(folder / "log.parquet")
    events[1500:].to_csv(folder / "test.csv", index=False)
    pd.DataFrame(tiny.items).to_csv(folder / "items.csv", index=False)
    np.save(folder / "vectors.npy", tiny.vectors)
    return folder


def fit(files, out, *more, log="log.csv"):
    return main(
        [
            *("fit", "--interactions", str(files / log), "--items", str(files / "items.csv")),
            *("--user", "user", "--item", "item", "--time", "time", "--signal", "signal"),
            *("--type", "kind", "--text", "title", "--text", "language"),
            *("--vectors", str(files / "vectors.npy"), "--out", str(out), "--no-progress"),
            *SMALL,
            *more,
        ]
    )


@pytest.fixture(scope="module")
def folder(files):
    assert fit(files, files / "model") == 0
    return files / "model"


def test_fit_saves_what_python_would(files, folder, tiny):
    loaded = rw.load(folder)
    log = rw.InteractionLog(
        pd.read_csv(files / "log.csv"), user="user", item="item", time="time", signal="signal"
    )
    model = rw.Recommender(hgnn={"epochs": 2, "layers": (16, 16)}, towers={"epochs": 2}).fit(
        log, tiny.catalog(), features=tiny.vectors, progress=False
    )

    np.testing.assert_array_equal(loaded.item_vectors_, model.item_vectors_)
    assert loaded.columns_["items"]["text"] == ["title", "language"]


def test_parquet_gives_the_same(files, folder):
    assert fit(files, files / "parquet", log="log.parquet") == 0

    np.testing.assert_array_equal(
        rw.load(files / "parquet").item_vectors_, rw.load(folder).item_vectors_
    )


def test_evaluate_writes_json_with_the_columns_of_training(files, folder, capsys):
    out = files / "out.json"

    code = main(
        ["evaluate", "--model", str(folder), "--test", str(files / "test.csv"), "--json", str(out)]
    )

    report = json.loads(out.read_text())
    assert code == 0
    assert report["k"] == 10
    assert 0 <= report["slices"]["warm"]["hr"] <= 1
    assert "HR@10" in capsys.readouterr().out


def test_recommend_prints_csv(folder, capsys):
    code = main(
        ["recommend", "--model", str(folder), "--users", "u1", "x", "--k", "3", "--types", "song"]
    )

    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    expected, _ = rw.load(folder).recommend(["u1", "x"], k=3, types=["song"])
    assert code == 0
    assert [row["item"] for row in rows] == expected.ravel().tolist()
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2


def test_recommend_writes_a_file_for_all_users(folder, files):
    code = main(["recommend", "--model", str(folder), "--k", "2", "--out", str(files / "r.csv")])

    assert code == 0
    assert len(pd.read_csv(files / "r.csv")) == 2 * len(rw.load(folder).user_ids_)


def test_embed_knows_old_and_new_items(folder, files, tiny):
    new = ["--items", str(files / "items.csv"), "--vectors", str(files / "vectors.npy")]
    assert main(["embed", "--model", str(folder), "--out", str(files / "own.npy")]) == 0
    assert main(["embed", "--model", str(folder), *new, "--out", str(files / "new.npy")]) == 0

    model = rw.load(folder)
    np.testing.assert_array_equal(np.load(files / "own.npy"), model.item_vectors_)
    np.testing.assert_array_equal(
        np.load(files / "new.npy"), model.embed_items(tiny.catalog(), tiny.vectors)
    )
    assert pd.read_csv(files / "new.ids.csv")["id"].tolist() == tiny.items["item"]


def test_an_encoder_instead_of_vectors(files):
    code = main(
        [
            *("fit", "--interactions", str(files / "log.csv")),
            *("--items", str(files / "items.csv"), "--user", "user", "--item", "item"),
            *("--text", "title", "--encoder", "hash", "--out", str(files / "hash")),
            *("--no-progress", "--no-hgnn", *SMALL),
        ]
    )

    assert code == 0
    assert rw.load(files / "hash").use_hgnn is False


def test_ids_that_look_like_numbers_keep_their_zeros(files, tiny):
    events, items = pd.DataFrame(tiny.events), pd.DataFrame(tiny.items)
    for frame in (events, items):
        frame["item"] = frame["item"].str[1:].str.zfill(4)
    events.to_csv(files / "zeros.csv", index=False)
    items.to_csv(files / "items.csv.zeros", index=False)
    code = main(
        [
            *("fit", "--interactions", str(files / "zeros.csv"), "--user", "user"),
            *("--items", str(files / "items.csv.zeros"), "--item", "item"),
            *("--vectors", str(files / "vectors.npy"), "--out", str(files / "zeros")),
            *("--no-progress", *SMALL),
        ]
    )

    assert code == 0
    assert "0007" in rw.load(files / "zeros").item_ids_


def test_show_config(capsys):
    assert main(["show-config"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == rw.__version__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--interactions", "nowhere.csv"], "nowhere.csv"),
        (["--user", "usr"], "Did you mean 'user'"),
        (["--signal", "title"], "title"),
        (["--vectors", "nowhere.npy"], "nowhere.npy"),
        (["--encoder", "hash"], "got both, expected one of them"),
        (["--vectors", ""], "got neither, expected one of them"),
        (["--vectors", "", "--encoder", "hahs"], "Did you mean 'hash'"),
        (["--set", "hgnn__epoch=3"], "Did you mean 'hgnn__epochs'"),
        (["--set", "hgnn__epoch=3"], "one of hgnn__layers, "),
        (["--set", "hgnn__epochs=many"], 'Recommender: hgnn.epochs: got "many"'),
        (["--set", "epochs"], "GROUP__NAME=VALUE"),
        (["--device", "cuda"], "no CUDA"),
        (["--device", "cud"], "fit: device: got 'cud', expected 'cpu', 'cuda' or 'cuda:N'"),
        (["--threads", "0"], "threads"),
    ],
)
def test_errors_are_one_line_and_leave_no_model(files, arguments, message, capsys):
    code = fit(files, files / "none", *arguments)

    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("relweave fit: error: ")
    assert message in error
    assert "Traceback" not in error
    assert not (files / "none").exists()


def test_uneven_and_empty_csv_files_are_refused(files, capsys):
    (files / "uneven.csv").write_text("user,item\na,b\nc\n")
    (files / "nothing.csv").write_text("")

    assert fit(files, files / "none", "--interactions", str(files / "uneven.csv")) == 2
    assert "row 3: got 1 cells" in capsys.readouterr().err
    assert fit(files, files / "none", "--interactions", str(files / "nothing.csv")) == 2
    assert "an empty file" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["log.csv", "log.csv/below", "."])
def test_a_place_that_cannot_take_the_model_is_refused_before_the_training(files, place, capsys):
    code = fit(files, files / place, "--vectors", "nowhere.npy")

    assert code == 2
    assert "nowhere.npy" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "--nonsense"], "usage: relweave fit"),
        (["show-config", "--nonsense"], "unrecognized arguments: --nonsense\n"),
        (["recommend", "--model", "m", "--incldue-seen"], "Did you mean '--include-seen'?"),
        (["recomend"], "choose from 'quickstart', 'fit', 'evaluate', 'recommend'"),
    ],
)
def test_wrong_flags_are_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)

    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])

    assert stop.value.code == 0
    assert capsys.readouterr().out == f"relweave {rw.__version__}\n"


def test_the_module_runs(folder):
    result = subprocess.run(
        [sys.executable, "-m", "relweave", "recommend", "--model", str(folder), "--users", "u1"],
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("user,rank,item,score")


def test_bench_prints_and_writes_times(tmp_path, capsys):
    out = tmp_path / "times.json"
    names = ["relation_aggregate", "linear"]

    few = ["--threads", "1", "--repeats", "2", "--scale", "0.01"]
    code = main(["bench", "--only", *names, *few, "--json", str(out)])

    printed = capsys.readouterr().out.splitlines()
    result = json.loads(out.read_text())
    assert code == 0
    assert [line.split()[0] for line in printed] == ["operation", *names]
    assert printed[1].endswith("%")
    assert result["threads"] == 1
    assert result["version"] == rw.__version__
    assert [m["name"] for m in result["measurements"]] == names
    assert all(m["seconds"] > 0 and m["rate"] > 0 for m in result["measurements"])


def test_bench_measures_every_operation_by_default():
    found = rw.bench.run(threads=1, repeats=1, scale=0.005)

    assert [m.name for m in found] == [
        "relation_aggregate",
        "relation_aggregate_backward",
        "hetero_sage",
        "hetero_sage_backward",
        "linear",
        "exact_index",
        "neighbor_sampler",
    ]
    assert {m.unit for m in found} == {"edges", "operations", "queries"}
    assert [m.gather_share is None for m in found] == [False] + 6 * [True]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--only", "liner"], "only: got 'liner', expected some of relation_aggregate"),
        (["--scale", "0"], "scale: got 0.0, expected a finite number above 0"),
        (["--scale", "nan"], "scale: got nan"),
        (["--repeats", "0"], "repeats: got 0"),
        (["--threads", "0"], "threads: got 0"),
    ],
)
def test_bench_refuses_what_it_cannot_measure(flags, message, capsys):
    assert main(["bench", *flags]) == 2

    assert f"relweave bench: error: bench: {message}" in capsys.readouterr().err


def test_the_gather_bandwidth_wants_edges_and_whole_vectors():
    graph = rw.HeteroGraph({"a": 2}, {("a", "to", "a"): ([], [])})

    with pytest.raises(rw.ConfigError, match="graph: got no edge into a"):
        rw.bench.gather_bandwidth(graph, "a", np.zeros((2, 128), np.float32))
    with pytest.raises(rw.ConfigError, match="messages: got 100 columns"):
        rw.bench.gather_bandwidth(graph, "a", np.zeros((2, 100), np.float32))
