"""The code of the Python guide's part on GPUs, with an emulated device in the place of one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from producers import Producer

import relweave as rw

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def test_the_guide_does_what_it_says(world):
    part = GUIDE.read_text(encoding="utf-8").split("## On a GPU")[1].split("\n## ")[0]
    code = re.search(r"^```python covered by [^\n]*\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)[1]
    items = {"item": [f"i{k}" for k in range(60)], "title": [f"title {k}" for k in range(60)]}
    names = {
        "rw": rw,
        "train": world.log,
        "catalog": rw.Catalog(items, id="item", text="title"),
        "features": Producer(world.vectors),
    }

    exec(compile(code, str(GUIDE), "exec"), names)

    assert names["ids"].shape == (1, 5)
    assert isinstance(names["near"], rw.DeviceArray)
    itself = np.arange(60)[:, None]
    assert (names["near"].numpy() == itself).any(axis=1).all()
    names.clear()
