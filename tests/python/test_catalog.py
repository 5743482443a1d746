import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import relweave as rw

COLUMNS = {"id": ["s1", "b1", "s2", "b2"], "type": ["song", "book", "song", "book"]}


@pytest.mark.parametrize("frame", [dict, pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table])
def test_any_frame_gives_the_same_catalogue(frame):
    catalog = rw.Catalog(frame(COLUMNS), id="id", type="type")

    assert catalog.ids.tolist() == ["b1", "b2", "s1", "s2"]
    assert catalog.rows.tolist() == [1, 3, 0, 2]
    assert catalog.type_names == ("book", "song")
    assert catalog.type_offsets.tolist() == [0, 2, 4]
    assert catalog.types.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(COLUMNS).astype({"type": "category"}),
        pl.DataFrame(COLUMNS).with_columns(pl.col("type").cast(pl.Categorical)),
        pa.table({"id": COLUMNS["id"], "type": pa.array(COLUMNS["type"]).dictionary_encode()}),
    ],
)
def test_categorical_types_are_strings(frame):
    assert rw.Catalog(frame, id="id", type="type").type_names == ("book", "song")


def test_integer_ids_stay_integers():
    catalog = rw.Catalog({"id": np.array([7, 5], dtype=np.uint16)}, id="id")

    assert catalog.ids.dtype == np.int64
    assert catalog.ids.tolist() == [7, 5]
    assert catalog.type_names == ("item",)


def test_texts_join_columns_and_leave_out_missing_cells():
    catalog = rw.Catalog(
        pd.DataFrame({"id": [1, 2], "title": ["A", "B"], "about": ["x", None]}),
        id="id",
        text=["title", "about"],
    )

    assert catalog.texts() == ["A. x", "B"]
    assert catalog.titles() == ["A", "B"]


def test_positions_of_ids():
    catalog = rw.Catalog(COLUMNS, id="id", type="type")

    assert catalog.find(np.array(["s2", "nothing", "b1"])).tolist() == [3, -1, 0]


def test_representations():
    catalog = rw.Catalog(COLUMNS, id="id", type="type")

    assert repr(catalog) == "Catalog(4 items: 2 book, 2 song)"
    assert "<td class=text>book</td>" in catalog._repr_html_()


@pytest.mark.parametrize(
    ("items", "arguments", "error", "message"),
    [
        ({"id": ["a"]}, {"id": "ident"}, rw.ConfigError, "one of the columns id"),
        ({"id": ["a"]}, {"id": "id", "type": "typ"}, rw.ConfigError, "typ"),
        ({"id": ["a", None]}, {"id": "id"}, rw.ConfigError, "1 missing ids, the first in row 1"),
        ({"id": [1.0, np.nan]}, {"id": "id"}, rw.ConfigError, "missing ids"),
        ({"id": [1.5, 2.0]}, {"id": "id"}, rw.DTypeError, "float64"),
        ({"id": ["a", 1]}, {"id": "id"}, rw.DTypeError, "int, str"),
        ({"id": ["a", "b", "a"]}, {"id": "id"}, rw.ConfigError, "duplicate ids such as 'a'"),
        ({"id": []}, {"id": "id"}, rw.ConfigError, "at least one item"),
        ({"id": ["a"], "t": [None]}, {"id": "id", "type": "t"}, rw.ConfigError, "missing types"),
        ({"id": ["a"], "t": []}, {"id": "id"}, rw.ShapeError, "equal length"),
        (3, {"id": "id"}, rw.DTypeError, "a frame"),
    ],
)
def test_bad_input_is_refused(items, arguments, error, message):
    with pytest.raises(error, match=message):
        rw.Catalog(items, **arguments)


def test_missing_ids_of_every_frame_are_refused():
    for frame in (pd.DataFrame, pl.DataFrame, pa.table):
        with pytest.raises(rw.ConfigError, match="missing ids"):
            rw.Catalog(frame({"id": ["a", None, "b"]}), id="id")
        with pytest.raises(rw.ConfigError, match="missing ids"):
            rw.Catalog(frame({"id": [1, None, 3]}), id="id")


def test_texts_need_a_column():
    with pytest.raises(rw.ConfigError, match="no column"):
        rw.Catalog({"id": [1]}, id="id").texts()
