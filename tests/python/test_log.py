import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import relweave as rw
from relweave._events import Events

ISO = ["2024-05-01T10:00:00", "2024-05-03T00:00:00", "2024-05-09T23:59:59"]
SECONDS = [1714557600, 1714694400, 1715299199]


def log_of(**columns):
    events = {"u": ["a", "b", "a"], "i": [1, 1, 2], **columns}
    named = {name: name for name in ("time", "signal") if name in columns}
    return rw.InteractionLog(events, user="u", item="i", **named)


@pytest.mark.parametrize(
    "times",
    [
        ISO,
        [text + "Z" for text in ISO],
        ["2024-05-01T12:00:00+02:00", "2024-05-03 00:00:00Z", "2024-05-09T18:59:59-0500"],
        SECONDS,
        np.array(SECONDS, dtype=np.float64) + 0.5,
        np.array(ISO, dtype="datetime64[ns]"),
        [datetime.datetime.fromisoformat(text) for text in ISO],
        pd.Series(pd.to_datetime(ISO)).astype("datetime64[ms]"),
        pd.Series(pd.to_datetime(ISO)).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
        pl.Series(ISO).str.to_datetime(time_unit="us"),
        pl.Series(ISO).str.to_datetime(time_unit="ns").dt.replace_time_zone("UTC"),
        pa.chunked_array([pa.array(SECONDS, pa.timestamp("s"))]),
    ],
    ids=lambda times: type(times).__name__,
)
def test_times_of_any_kind_are_seconds(times):
    assert log_of(time=times).times.tolist() == SECONDS


def test_dates_are_their_first_second():
    days = pl.Series([datetime.date(1970, 1, 2)] * 3)

    assert log_of(time=days).times.tolist() == [86400] * 3
    assert log_of(time=["1970-01-02"] * 3).times.tolist() == [86400] * 3


def test_columns_become_codes():
    log = log_of(time=SECONDS, signal=["strong", "weak", "strong"])

    assert log.users.tolist() == ["a", "b"]
    assert log.items.tolist() == [1, 2]
    assert log.user_codes.tolist() == [0, 1, 0]
    assert log.item_codes.tolist() == [0, 0, 1]
    assert log.strong.tolist() == [True, False, True]


def test_signals_may_be_bools_or_absent():
    assert log_of(signal=[True, False, True]).strong.tolist() == [True, False, True]
    assert log_of().strong.all()


def test_without_times_rows_are_in_order_and_cannot_be_split():
    log = log_of()

    assert not log.has_times
    assert log.times.tolist() == [0, 1, 2]
    with pytest.raises(rw.ConfigError, match="no times"):
        log.split_by_time(test_fraction=0.5)


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        ({"cutoff": "2024-05-03"}, (1, 2)),
        ({"cutoff": datetime.date(2024, 5, 4)}, (2, 1)),
        ({"cutoff": np.datetime64("2024-05-03T00:00:01")}, (2, 1)),
        ({"cutoff": SECONDS[1]}, (1, 2)),
        ({"cutoff": datetime.datetime(2024, 5, 3, 2, tzinfo=datetime.UTC)}, (2, 1)),
        ({"last": "7d"}, (1, 2)),
        ({"last": "1w"}, (1, 2)),
        ({"last": 3600}, (2, 1)),
        ({"test_fraction": 1 / 3}, (2, 1)),
    ],
)
def test_split(arguments, sizes):
    train, test = log_of(time=SECONDS).split_by_time(**arguments)

    assert (len(train), len(test)) == sizes
    assert train.times.max() < test.times.min()


def test_events_in_any_order_split_alike():
    order = [2, 0, 1]
    events = {"u": ["a", "a", "b"], "i": [2, 1, 1], "time": np.array(SECONDS)[order]}

    log = rw.InteractionLog(events, user="u", item="i", time="time")
    train, test = log.split_by_time(cutoff="2024-05-04")

    assert sorted(zip(train.users[train.user_codes], train.times, strict=True)) == [
        ("a", SECONDS[0]),
        ("b", SECONDS[1]),
    ]
    assert test.items.tolist() == [2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one"),
        ({"last": "7d", "cutoff": "2024-05-03"}, "exactly one"),
        ({"test_fraction": 1.5}, "between 0 and 1"),
        ({"test_fraction": -0.1}, "between 0 and 1"),
        ({"last": "soon"}, "duration"),
        ({"last": "-3d"}, "duration"),
        ({"last": -3}, "duration above 0"),
        ({"cutoff": "2030-01-01"}, "test part empty"),
        ({"cutoff": "1999-01-01"}, "training part empty"),
        ({"cutoff": "yesterday"}, "ISO 8601"),
    ],
)
def test_bad_splits_are_refused(arguments, message):
    with pytest.raises(rw.ConfigError, match=message):
        log_of(time=SECONDS).split_by_time(**arguments)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"u": ["a", None, "b"]}, rw.ConfigError, "user: got 1 missing ids"),
        ({"i": [1.0, 2.0, np.nan]}, rw.ConfigError, "item: got 1 missing ids"),
        ({"u": [1.0, 2.0, 3.0]}, rw.DTypeError, r"user: got ids of type float64.*astype\(str\)"),
        ({"i": [1.5, 2.0, 3.0]}, rw.DTypeError, r"item: got ids of type float64.*astype\(str\)"),
        ({"u": [2**63, 1, 2]}, rw.DTypeError, "numbers above 2"),
        ({"i": [1, "a", 2]}, rw.DTypeError, "values of type int, str"),
        ({"time": [1, 2, None]}, rw.ConfigError, "missing times"),
        ({"time": ["2024-05-01", "May", "x"]}, rw.ConfigError, "ISO 8601"),
        ({"time": [10**12, 1, 2]}, rw.ConfigError, "milliseconds"),
        ({"time": [True, False, True]}, rw.DTypeError, "datetimes"),
        ({"signal": ["strong", "meh", "weak"]}, rw.ConfigError, "unknown signals such as 'meh'"),
        ({"signal": ["strong", None, "weak"]}, rw.ConfigError, "missing signals"),
        ({"signal": [5.0, 1.0, 3.0]}, rw.DTypeError, "rating >= 4"),
    ],
)
def test_bad_columns_are_refused(columns, error, message):
    with pytest.raises(error, match=message):
        log_of(**columns)


def test_unknown_columns_suggest_near_names():
    with pytest.raises(rw.ConfigError, match="Did you mean 'user_id'"):
        rw.InteractionLog({"user_id": [1], "item_id": [1]}, user="userid", item="item_id")


def test_an_empty_log_is_refused():
    with pytest.raises(rw.ConfigError, match="at least one event"):
        rw.InteractionLog({"u": [], "i": []}, user="u", item="i")


def test_the_future_is_refused_dropped_or_kept_as_asked():
    events = {"u": [1, 2], "i": [1, 2], "t": ["2020-01-01", "2999-01-01"]}

    with pytest.raises(rw.ConfigError, match="1 events in the future, up to 2999-01-01"):
        rw.InteractionLog(events, user="u", item="i", time="t")
    dropped = rw.InteractionLog(events, user="u", item="i", time="t", future="drop")
    kept = rw.InteractionLog(events, user="u", item="i", time="t", future="keep")

    assert (len(dropped), dropped.report().future_dropped) == (1, 1)
    assert (len(kept), kept.report().future_dropped) == (2, 0)


def test_report_counts():
    log = rw.InteractionLog(
        {"u": [1, 1, 1, 2], "i": ["a", "a", "b", "a"], "t": [0, 1, 2, 3], "s": [1, 1, 0, 1]}
        | {"s": [True, True, False, True]},
        user="u",
        item="i",
        time="t",
        signal="s",
    )
    report = log.report()

    assert (report.events, report.users, report.items, report.repeats) == (4, 2, 2, 1)
    assert (report.single_event_users, report.most_events) == (1, 3)
    assert report.strong_share == 0.75
    assert "events" in str(report)
    assert "<table" in log._repr_html_()


def test_training_reads_the_columns_of_a_log_in_place_unless_it_drops_events():
    log = log_of(u=["b", "a", "b"], time=SECONDS, signal=["weak", "strong", "weak"])
    every, some = (rw.Catalog({"i": items}, id="i").index for items in ([2, 1], [2]))

    whole, part = Events.of(log, every, "fit"), Events.of(log, some, "fit")

    for name, column in (("user", log.user_codes), ("time", log.times), ("strong", log.strong)):
        assert np.shares_memory(getattr(whole, name), column)
        np.testing.assert_array_equal(getattr(part, name), column[[2]])
    assert whole.strong.tolist() == [0, 1, 0]
    assert whole.strong.dtype == part.strong.dtype == np.uint8
    assert (whole.dropped, part.dropped) == (0, 2)
