"""The quick start, whole."""

import json

import pytest

import relweave as rw
from relweave import quickstart


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("mine")
    lines = []

    with pytest.raises(rw.IoError, match="Not a directory"):
        quickstart.run(tmp_path / "file", say=lines.append)

    assert lines == []


@pytest.mark.slow
def test_the_quick_start_tells_and_writes(tmp_path):
    lines = []

    result = quickstart.run(tmp_path / "out", progress=False, say=lines.append)

    text = "\n".join(lines)
    quality = {report.name: report.slices["warm"]["hr"] for report in result.reports}
    assert quality["2T-HGNN"] > 0.41
    assert quality["2T-HGNN"] > quality["2T alone"] + 0.02
    assert quality["2T alone"] > quality["popularity"] + 0.1
    for word in ("Warm user", "Cold user", "Brand-new wine", "HR@10", "Written"):
        assert word in text
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        *("summary.html", "comparison.json", "model", "degrees.png", "relations.png"),
        *("training.png", "metrics.png", "map.png"),
    }
    page = (tmp_path / "out" / "summary.html").read_text()
    assert page.count("<img") == 5
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["reference"] == "2T-HGNN"
    assert rw.load(tmp_path / "out" / "model").recommend([-1], k=3)[0].shape == (1, 3)
