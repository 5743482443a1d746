import builtins
import io

import pytest

import relweave as rw

STEPS = [
    rw.Progress("graph", 0, 1, 50, 100, 0.0),
    rw.Progress("graph", 0, 1, 100, 100, 0.0),
    rw.Progress("hgnn", 0, 2, 1, 2, 0.5),
    rw.Progress("hgnn", 0, 2, 2, 2, 0.4),
    rw.Progress("hgnn", 1, 2, 2, 2, 0.3),
    rw.Progress("towers", 0, 1, 5, 5, 5.7),
]
LINES = [
    "item graph: done",
    "HGNN: epoch 1 of 2, loss 0.4000",
    "HGNN: epoch 2 of 2, loss 0.3000",
    "two towers: epoch 1 of 1, loss 5.7000",
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(stream):
    bar = rw.ProgressBar(stream)
    for step in STEPS:
        bar(step)
    bar.close()
    return stream.getvalue()


def test_a_bar_per_stage_in_a_terminal():
    text = shown(Terminal())

    assert text.count("\n") == 3  # one ends each bar
    assert "item graph: 100%" in text
    assert "HGNN: 100%" in text
    assert "two towers: 100%" in text
    assert "2.0/2 epochs" in text
    assert "loss 5.7000" in text


def test_a_bar_serves_the_next_training_too():
    terminal = Terminal()
    bar = rw.ProgressBar(terminal)

    for step in [STEPS[5], rw.Progress("towers", 0, 1, 1, 5, 5.9), STEPS[5]]:
        bar(step)

    assert terminal.getvalue().count("100%") == 2
    assert terminal.getvalue().count("\n") == 2


def test_lines_in_a_file():
    assert shown(io.StringIO()).splitlines() == LINES


def test_lines_without_tqdm(monkeypatch):
    original = builtins.__import__

    def without_tqdm(name, *arguments, **keywords):
        if name.startswith("tqdm"):
            raise ImportError(name)
        return original(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_tqdm)

    assert shown(Terminal()).splitlines() == LINES


def test_what_progress_may_be(tiny):
    with pytest.raises(rw.DTypeError, match="True, False or a function"):
        rw.Recommender().fit(tiny.log(), tiny.catalog(), tiny.vectors, progress=3)
