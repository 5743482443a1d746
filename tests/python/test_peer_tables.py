"""bench/peers: the tables of the quality page, and their places in it."""

import sys
from pathlib import Path

import numpy as np
import pytest

import relweave as rw

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench" / "peers"))


def test_tables_give_mean_and_spread_of_the_seeds(tiny, model):
    import quality

    rng = np.random.default_rng(5)
    test = rw.InteractionLog(
        {"u": rng.choice(model.user_ids_, 400), "i": rng.choice(model.item_ids_, 400)},
        user="u",
        item="i",
    )
    baseline = rw.baselines.Popularity().fit(tiny.log(), tiny.catalog())
    popular = rw.evaluate(baseline, test, name="popularity")
    runs = [rw.evaluate(model, test, name=quality.REFERENCE)] * 2
    reports = {"popularity": [popular], quality.REFERENCE: runs}

    head, rule, *rows = quality.metric_table(reports, {"HR@10": ("all", "hr")}).splitlines()
    differences = quality.differences(reports)

    assert head == "| model | HR@10 |"
    assert rule == "| --- | ---: |"
    hr = runs[0].slices["all"]["hr"]
    assert rows[0] == f"| popularity | {popular.slices['all']['hr']:.3f} |"
    assert rows[1] == f"| {quality.REFERENCE} | {hr:.3f} ± 0.000 |"
    gap = (popular.values["hr"] - runs[0].values["hr"])[popular.warm].mean()
    assert differences.differences["popularity"]["difference"] == pytest.approx(gap)
    assert f"{gap:+.4f}" in quality.difference_table(differences)
    assert quality.type_table(reports).count("\n") == 3


def test_a_block_of_a_page_is_replaced_and_nothing_else(tmp_path):
    from markdown import replace_block

    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n")

    replace_block(page, "a", "new")
    replace_block(page, "a", r"newer \1")

    assert page.read_text() == "before\n<!-- a: begin -->\nnewer \\1\n<!-- a: end -->\nafter\n"
    with pytest.raises(SystemExit, match="got 0 blocks <!-- b: begin -->"):
        replace_block(page, "b", "new")


def test_a_comparison_knows_its_ratio():
    from comparison import Comparison
    from run import show

    work = Comparison("work", "a peer", 2, ours_s=2.0, peer_s=3.0, agree=True)

    assert work.to_dict()["ratio"] == 1.5
    assert show([work]).splitlines()[-1] == "| `work` | a peer | yes | 2.000 | 3.000 | 1.50 |"
