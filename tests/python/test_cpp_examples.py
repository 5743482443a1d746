"""The C++ examples and Python, on each other's models."""

import csv
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import N_ITEMS, SMALL

import relweave as rw

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = Path(os.environ.get("RELWEAVE_CPP_EXAMPLES", ROOT / "build/dev/examples/cpp"))
pytestmark = pytest.mark.skipif(
    not (EXAMPLES / "serve").exists(), reason="the C++ examples are not built (scripts/test.sh)"
)


def run(example, *arguments):
    """Return exit code, output and errors; line ends stay as they are."""
    done = subprocess.run([EXAMPLES / example, *map(str, arguments)], capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def shown(model, history, k):
    """Return what the C++ program should print: nine digits tell every float32 apart."""
    ids, scores = model.recommend(histories=[history, []], k=k)
    text = ""
    for title, row, values in zip(("this history", "a new user"), ids, scores, strict=True):
        text += f"for {title}\n"
        for place, (id, score) in enumerate(zip(row, values, strict=True), 1):
            text += f"{place:3d}  {float(score):.9g}  {id}\n"
    return text


def test_a_model_of_python_is_served_by_cpp(model, tmp_path):
    model.save(tmp_path / "model")
    history = ["i3", "i7", "i12"]

    answer = run("serve", tmp_path / "model", "--k", 7, "--threads", 3, *history)

    assert answer == (0, shown(model, history, k=7), "")


def test_integer_ids_are_served(tiny, tmp_path):
    items = dict(tiny.items, item=np.arange(N_ITEMS) * 10 - 500)
    events = dict(tiny.events, item=[int(i[1:]) * 10 - 500 for i in tiny.events["item"]])
    model = rw.Recommender(seed=1, **SMALL).fit(
        rw.InteractionLog(events, user="user", item="item", time="time", signal="signal"),
        rw.Catalog(items, id="item", type="kind"),
        features=tiny.vectors,
        progress=False,
    )
    model.save(tmp_path / "model")

    answer = run("serve", tmp_path / "model", -490, 20)

    assert answer == (0, shown(model, [-490, 20], k=10), "")


@pytest.fixture
def tables(tiny, tmp_path):
    """CSV files whose ids need quotes."""

    def name(item):
        return f'{item}, "the\r\n{item}th"' if int(item[1:]) % 3 == 0 else item

    with open(tmp_path / "items.csv", "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["x0", "item_id", "x1", "type", "x2", "x3"])
        for id, kind, x in zip(tiny.items["item"], tiny.items["kind"], tiny.vectors, strict=True):
            writer.writerow([x[0], name(id), x[1], kind, x[2], x[3]])
    events = {
        "user_id": tiny.events["user"],
        "item_id": [name(item) for item in tiny.events["item"]],
        "time": tiny.events["time"].tolist(),
        "signal": tiny.events["signal"].tolist(),
    }
    with open(tmp_path / "events.csv", "w", newline="") as f:
        writer = csv.writer(f, quoting=csv.QUOTE_ALL)
        writer.writerow(events)
        writer.writerows(zip(*events.values(), strict=True))
    return tmp_path / "items.csv", tmp_path / "events.csv", events


def test_a_model_of_cpp_is_read_and_measured_alike_by_python(tables, tmp_path):
    items, log, events = tables

    code, output, errors = run("train", tmp_path / "model", items, log)

    assert code == 0, errors
    assert "towers epoch  6 of 6" in output
    model = rw.load(tmp_path / "model")
    cutoff = sorted(events["time"])[len(events["time"]) * 9 // 10]
    _, test = rw.InteractionLog(
        events, user="user_id", item="item_id", time="time", signal="signal"
    ).split_by_time(cutoff=cutoff)
    every = rw.evaluate(model, test).slices["all"]
    assert (
        f"{every['n']} users  HR@10 {every['hr']:.4f}  recall@10 {every['recall']:.4f}  "
        f"NDCG@10 {every['ndcg']:.4f}  MRR {every['mrr']:.4f}  coverage {every['coverage']:.4f}"
    ) in output
    history = ['i3, "the\r\ni3th"', "i7"]
    answer = run("serve", tmp_path / "model", "--k", N_ITEMS - 2, *history)
    assert answer == (0, shown(model, history, k=N_ITEMS - 2), "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve"], "usage"),
        (["serve", "no_model"], "no_model"),
        (["serve", "MODEL", "unheard"], "got 'unheard', expected an id of the model's catalogue"),
        (["serve", "MODEL", "--k", "0"], "--k: got 0, expected at least 1"),
        (["serve", "MODEL", "--k"], "--k: got 'nothing'"),
        (["train", "OUT", "no.csv", "no.csv"], "no.csv"),
        (["train", "OUT", "ITEMS", "ITEMS"], "got 'user_id', expected one of 'x0', 'item_id'"),
        (["train", "OUT", "LOG", "LOG"], "got 'type', expected one of 'user_id'"),
    ],
)
def test_bad_requests_are_explained(arguments, message, model, tables, tmp_path):
    model.save(tmp_path / "model")
    paths = {"MODEL": tmp_path / "model", "OUT": tmp_path / "out"}
    paths.update(ITEMS=tables[0], LOG=tables[1])

    code, _, errors = run(*(paths.get(a, a) for a in arguments))

    assert code != 0
    assert message in errors
    assert not (tmp_path / "out").exists()
