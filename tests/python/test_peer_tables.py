"""bench/peers: the tables of the quality page, and their places in it."""

import re
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


def test_a_comparison_that_measured_memory_and_quality_tells_them():
    from comparison import Comparison
    from run import show

    details = {"peak_mib": {"ours": 254.6, "peer": 775.2}, "mean_hr": {"ours": 0.4, "peer": 0.39}}
    work = Comparison("work", "a peer", 2, ours_s=2.0, peer_s=3.0, agree=True, details=details)

    assert show([work]).splitlines()[-1] == (
        "Peak memory 255 MiB against 775 MiB, mean warm HR@10 0.400 against 0.390."
    )


def test_short_times_keep_their_digits():
    from run import seconds

    assert [seconds(s) for s in (12.3456, 0.1, 0.0023456)] == ["12.346", "0.100", "0.002346"]


def test_dense_products_have_the_sizes_of_the_benchmark_and_agree_before_they_are_timed(
    monkeypatch,
):
    import dense_products

    source = (Path(dense_products.__file__).parents[1] / "ops" / "linear_bench.cpp").read_text()
    literal = re.search(r"Size sizes\[\] = \{(.+?)\};", source, re.DOTALL)
    listed = re.findall(r"\{([\d', ]+)\}", literal[1])
    sizes = [tuple(int(x) for x in size.replace("'", "").split(",")) for size in listed]
    assert sizes == dense_products.SIZES

    monkeypatch.setattr(dense_products, "SIZES", [(20, 30, 7)])
    monkeypatch.setattr(dense_products, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)  # it outlives the test
    (found,) = dense_products.compare(threads=1, repeats=1)

    assert found.agree
    assert found.name == "linear_20x30x7_vs_torch"
    assert found.ours_s > 0
    assert found.peer_s > 0
    assert len(found.details["runs"]["ours"]) == dense_products.ROUNDS


def test_dense_products_that_differ_do_not_agree():
    import dense_products

    expected = np.zeros((4, 3), np.float32)
    other = expected.copy()
    other[2, 1] = 1e-3

    assert dense_products.agree(expected, expected, 30)
    assert not dense_products.agree(other, expected, 30)
    assert not dense_products.agree(np.full_like(other, np.nan), expected, 30)
    assert not dense_products.agree(expected[:3], expected, 30)
