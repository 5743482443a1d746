"""Real data that comes with the package."""

from __future__ import annotations

import ast
import csv
import io
import zipfile
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ..catalog import Catalog
from ..log import InteractionLog

__all__ = ["XWines", "load_xwines"]

STRONG_RATING = 4.0
XWINES_CUTOFF = "2021-04-20"


@dataclass(frozen=True)
class XWines:
    """150,000 ratings of 1,007 wines of six types by 10,561 users, 2012 to 2021 (CC0).

    Source: de Azambuja, Morais, Filipe 2023, Big Data and Cognitive Computing 7(1), 20.

    Attributes
    ----------
    items : dict of columns
        "wine" (id), "type", "title", "text", "country", "abv"; one row per wine.
    events : dict of columns
        "user", "wine", "time", "rating", "signal": strong from a rating of 4 on, else weak.
    vectors : ndarray of float32, shape (1007, 384)
        all-MiniLM-L6-v2 of each wine's text, in the order of `items`.
    cutoff : str
        First day of the test period: the last tenth of the ratings.
    """

    items: dict[str, NDArray[np.generic]]
    events: dict[str, NDArray[np.generic]]
    vectors: NDArray[np.float32]
    cutoff: str = XWINES_CUTOFF

    def __repr__(self) -> str:
        return (
            f"XWines({len(self.events['wine']):,} ratings of {len(self.items['wine']):,} wines by "
            f"{len(np.unique(self.events['user'])):,} users)"
        )

    def catalog(self) -> Catalog:
        """Return the wines as a catalogue."""
        return Catalog(self.items, id="wine", type="type", text=["title", "text"])

    def log(self) -> InteractionLog:
        """Return the ratings as a log."""
        return InteractionLog(self.events, user="user", item="wine", time="time", signal="signal")

    def split(self) -> tuple[InteractionLog, InteractionLog]:
        """Return (train, test) at the cutoff."""
        return self.log().split_by_time(cutoff=self.cutoff)


def load_xwines() -> XWines:
    """Read X-Wines from the package: offline, without pandas.

    Examples
    --------
    >>> data = load_xwines()
    >>> len(data.items["wine"]), len(data.events["wine"]), data.vectors.shape
    (1007, 150000, (1007, 384))
    """
    folder = resources.files(__package__) / "xwines"
    with (
        resources.as_file(folder / "XWines_Slim_1K_wines_150K_ratings.zip") as path,
        zipfile.ZipFile(path) as archive,
    ):
        wines = _columns(archive, "XWines_Slim_1K_wines.csv")
        ratings = _columns(archive, "XWines_Slim_150K_ratings.csv")
    with resources.as_file(folder / "minilm_l6_v2_f16.npy") as path:
        vectors = np.load(path).astype(np.float32)
    rating = np.array(ratings["Rating"], dtype=np.float64)
    return XWines(
        items={
            "wine": np.array(wines["WineID"], dtype=np.int64),
            "type": np.array(wines["Type"]),
            "title": np.array(wines["WineName"]),
            "text": np.array(_sentences(wines)),
            "country": np.array(wines["Country"]),
            "abv": np.array(wines["ABV"], dtype=np.float64),
        },
        events={
            "user": np.array(ratings["UserID"], dtype=np.int64),
            "wine": np.array(ratings["WineID"], dtype=np.int64),
            "time": np.array(ratings["Date"], dtype="datetime64[s]"),
            "rating": rating,
            "signal": np.where(rating >= STRONG_RATING, "strong", "weak"),
        },
        vectors=vectors,
    )


def _columns(archive: zipfile.ZipFile, name: str) -> dict[str, tuple[str, ...]]:
    with archive.open(name) as raw:
        rows = list(csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline="")))
    return dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))


def _sentences(wines: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the text that the vectors were made from, without the leading name."""
    keys = (
        "Type",
        "WineryName",
        "RegionName",
        "Country",
        "Grapes",
        "Body",
        "Acidity",
        "ABV",
        "Harmonize",
    )
    return [
        f"A {kind} wine by {winery} from {region}, {country}. Grapes: {_listed(grapes)}. {body}, "
        f"{acidity} acidity, {abv}% alcohol. Pairs with {_listed(food)}."
        for kind, winery, region, country, grapes, body, acidity, abv, food in zip(
            *(wines[key] for key in keys), strict=True
        )
    ]


def _listed(text: str) -> str:
    return ", ".join(ast.literal_eval(text))
