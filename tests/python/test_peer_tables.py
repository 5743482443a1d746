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


def test_what_a_comparison_has_to_say_comes_below_the_table():
    from comparison import Comparison
    from run import show

    work = Comparison("work", "a peer", 2, 2.0, 3.0, True, note="Peak memory 255 MiB.")

    assert show([work]).splitlines()[-2:] == ["", "Peak memory 255 MiB."]


def test_peers_that_are_not_installed_are_said_to_be_skipped():
    import gather
    from run import run_group, show

    class Group:
        NAMES = ("a_vs_b", "c_vs_b")
        NEEDS = ("numpy", "no_such_package")

        @staticmethod
        def compare(threads, repeats):
            raise AssertionError

    found = run_group(Group, 1, 1)

    reason = "no_such_package not installed; pip install '.[peers]' brings it"
    assert [c.to_dict() for c in found] == [
        {"name": name, "skipped": reason} for name in Group.NAMES
    ]
    assert show(found).splitlines()[-1] == f"| `c_vs_b` | {reason} |  |  |  |  |"
    assert gather.NEEDS == ()


def test_short_times_keep_their_digits():
    from run import seconds

    assert [seconds(s) for s in (12.3456, 0.1, 0.0023456)] == ["12.346", "0.100", "0.002346"]
