"""The item graph as a join of the log with itself, in pandas and in SQL."""

from __future__ import annotations

import tempfile
import time
from typing import Any

import numpy as np

from item_graph_logs import CAP, TOP, Columns, Links
from peak_memory import held_mib

# `nodes` and `log` are the columns; a link stays if either end keeps it.
SQL = f"""
WITH latest AS (
  SELECT "user", item, max("time") AS latest FROM log GROUP BY ALL
), capped AS MATERIALIZED (
  SELECT "user", item FROM latest
  QUALIFY row_number() OVER (PARTITION BY "user" ORDER BY latest DESC, item DESC) <= {CAP}
), degree AS (
  SELECT item, kind, count(*)::DOUBLE AS degree FROM capped JOIN nodes USING (item) GROUP BY ALL
), pairs AS (
  SELECT a.item AS lower, b.item AS upper, count(*) AS count
  FROM capped a JOIN capped b ON a."user" = b."user" AND a.item < b.item
  GROUP BY ALL
), weighted AS (
  SELECT lower, upper, count, (count / sqrt(a.degree * b.degree))::FLOAT AS weight,
    a.kind AS lower_kind, b.kind AS upper_kind
  FROM pairs JOIN degree a ON a.item = lower JOIN degree b ON b.item = upper
), ends AS (
  SELECT lower AS own, upper AS other, upper_kind AS kind, count, weight FROM weighted
  UNION ALL SELECT upper, lower, lower_kind, count, weight FROM weighted
), kept AS (
  SELECT own, other, count, weight FROM ends
  QUALIFY row_number() OVER (PARTITION BY own, kind ORDER BY weight DESC, other) <= {TOP}
)
SELECT DISTINCT least(own, other) AS lower, greatest(own, other) AS upper, count, weight
FROM kept ORDER BY lower, upper
"""


def kinds(log: Columns) -> Any:
    """Return the type of every item."""
    return np.searchsorted(log["offsets"], np.arange(log["offsets"][-1]), side="right") - 1


def by_duckdb(log: Columns, threads: int) -> tuple[Links, dict[str, float]]:
    """Ask one SQL query, which reads the columns in place."""
    import duckdb

    held = held_mib()
    begin = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,  # what does not fit its memory goes there
        duckdb.connect(config={"threads": threads, "temp_directory": folder}) as database,
    ):
        database.register("log", {name: log[name] for name in ("user", "item", "time")})
        kind = kinds(log)
        nodes = {"item": np.arange(len(kind), dtype=np.int32), "kind": kind.astype(np.int32)}
        database.register("nodes", nodes)
        found = database.execute(SQL).fetchnumpy()
    links = tuple(found[name] for name in ("lower", "upper", "count", "weight"))
    return links, {"held_mib": held, "seconds": time.perf_counter() - begin}


def by_pandas(log: Columns, _threads: int) -> tuple[Links, dict[str, float]]:
    """Merge the capped histories on the user, count the pairs by group."""
    import pandas as pd

    held = held_mib()
    begin = time.perf_counter()
    events = pd.DataFrame({name: log[name] for name in ("user", "item", "time")})
    latest = events.groupby(["user", "item"], as_index=False)["time"].max()
    latest = latest.sort_values(["user", "time", "item"], ascending=[True, False, False])
    capped = latest.groupby("user").head(CAP)[["user", "item"]]

    both = capped.merge(capped, on="user", suffixes=("", "_other"))
    both = both[both["item"] != both["item_other"]]
    ends = both.groupby(["item", "item_other"]).size().reset_index(name="count")

    degree = capped["item"].value_counts().astype(np.float64)
    product = ends["item"].map(degree) * ends["item_other"].map(degree)
    ends["weight"] = (ends["count"] / np.sqrt(product)).astype(np.float32)
    ends["kind"] = kinds(log)[ends["item_other"]]
    ends = ends.sort_values(
        ["item", "kind", "weight", "item_other"], ascending=[True, True, False, True]
    )
    kept = ends.groupby(["item", "kind"]).head(TOP)
    pair = np.sort(kept[["item", "item_other"]].to_numpy(), axis=1)
    links = pd.DataFrame(
        {"lower": pair[:, 0], "upper": pair[:, 1], "count": kept["count"], "weight": kept["weight"]}
    )
    links = links.drop_duplicates(["lower", "upper"]).sort_values(["lower", "upper"])
    columns = tuple(links[name].to_numpy() for name in ("lower", "upper", "count", "weight"))
    return columns, {"held_mib": held, "seconds": time.perf_counter() - begin}
