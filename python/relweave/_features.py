"""Features of items and users: what training learned, applied again to whatever comes later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._columns import ColumnEncoder
from ._frames import Table
from ._ids import IdIndex, expect_unique, ids_of, matrix
from .catalog import Catalog
from .config import whole
from .errors import ConfigError, ShapeError, describe, near_names
from .text import PrecomputedVectors, vectors_for

Floats = NDArray[np.float32]


@dataclass
class ItemFeatures:
    """Text vectors beside encoded metadata.

    Attributes
    ----------
    encoder_id : str or None
        None for vectors that came as an array.
    text_width : int
        Columns of the text vectors.
    metadata : ColumnEncoder
    encoder : encoder or None
        The one used in training, in this process.
    """

    encoder_id: str | None
    text_width: int
    metadata: ColumnEncoder
    encoder: Any = None

    @classmethod
    def learn(cls, catalog: Catalog, features: Any, function: str) -> tuple[ItemFeatures, Floats]:
        """Return how the catalogue's features are made, and the features in its inner order."""
        vectors, encoder_id = _text_vectors(catalog, features, function)
        encoder = features if encoder_id is not None else None
        learned = cls(encoder_id, vectors.shape[1], catalog.metadata_encoder(), encoder)
        return learned, learned._with_metadata(catalog, vectors, function)

    def apply(self, catalog: Catalog, features: Any, function: str) -> Floats:
        """Return features of other items in the inner order of their catalogue."""
        vectors, encoder_id = _text_vectors(
            catalog, self.encoder if features is None else features, function
        )
        if self.encoder_id is not None and encoder_id not in (None, self.encoder_id):
            raise ConfigError(
                describe(
                    function,
                    "features",
                    f"vectors of {encoder_id}",
                    f"vectors of {self.encoder_id}, as in training",
                )
            )
        if vectors.shape[1] != self.text_width:
            raise ShapeError(
                describe(
                    function,
                    "features",
                    f"{vectors.shape[1]} columns",
                    f"{self.text_width} columns, as in training",
                )
            )
        return self._with_metadata(catalog, vectors, function)

    @property
    def width(self) -> int:
        """Number of feature columns."""
        return self.text_width + self.metadata.width

    def _with_metadata(self, catalog: Catalog, vectors: Floats, function: str) -> Floats:
        if not self.metadata.codes:
            return vectors
        columns = catalog.metadata()
        for name in self.metadata.names:
            if name not in columns:
                raise ConfigError(
                    describe(
                        function,
                        "metadata",
                        f"no column {name!r}",
                        f"the columns of training: {', '.join(self.metadata.names)}",
                        near_names(name, columns),
                    )
                )
        return np.concatenate([vectors, self.metadata.encode(columns, function)], axis=1)

    def to_json(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {
            "encoder_id": self.encoder_id,
            "text_width": self.text_width,
            "metadata": self.metadata.to_json(),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> ItemFeatures:
        """Return what `to_json` described."""
        here, encoder_id = "ItemFeatures", entry["encoder_id"]
        if not isinstance(encoder_id, str | None):
            raise ConfigError(describe(here, "encoder_id", repr(encoder_id), "text, or nothing"))
        width = whole(entry["text_width"], here, "text_width")
        return cls(encoder_id, width, ColumnEncoder.from_json(entry["metadata"]))


def _text_vectors(catalog: Catalog, features: Any, function: str) -> tuple[Floats, str | None]:
    if features is None:
        raise ConfigError(
            describe(
                function,
                "features",
                "None",
                "an array of text vectors, one row per item, or an encoder",
                "For example rw.text.SentenceTransformerEncoder(), or, not semantic, "
                "rw.text.HashEncoder().",
            )
        )
    if hasattr(features, "encode") or isinstance(features, PrecomputedVectors):
        return vectors_for(features, catalog.ids, catalog.texts, function)
    given = matrix(features, function, "features", len(catalog), "item, in the catalogue's order")
    return given[catalog.rows], None


@dataclass
class UserFeatures:
    """Encoded columns of a user frame. `id_column` names the users, as in the log."""

    id_column: str
    columns: ColumnEncoder

    @classmethod
    def learn(cls, users: Any, id_column: str, function: str) -> UserFeatures:
        """Take means, deviations and categories from a frame's columns other than the id."""
        table = Table(users, function, "users")
        names = [name for name in table.names if name != id_column]
        if not names:
            raise ConfigError(
                describe(
                    function,
                    "users",
                    f"only the column {id_column!r}",
                    "at least one column of features",
                )
            )
        columns = {name: table.column(name, "users") for name in names}
        return cls(id_column, ColumnEncoder.learn(columns, function))

    def read(self, users: Any, function: str) -> tuple[IdIndex, Floats]:
        """Return the frame's users and their features, (n, width)."""
        table = Table(users, function, "users")
        ids = ids_of(table.column(self.id_column, "users"), function, "users")
        expect_unique(ids, function, "users")
        columns = {name: table.column(name, "users") for name in self.columns.names}
        return IdIndex(ids), self.columns.encode(columns, function)

    def rows_for(self, users: Any, ids: Any, function: str) -> tuple[Floats, int]:
        """Return features for `ids`, zeros for those the frame lacks, and how many it lacks."""
        index, features = self.read(users, function)
        IdIndex(ids).expect_kind(index.ids, function, "users", "log")
        codes = index.find(ids)
        padded = np.concatenate([features, np.zeros((1, features.shape[1]), dtype=np.float32)])
        return padded[codes], int((codes < 0).sum())

    def to_json(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"id_column": self.id_column, "columns": self.columns.to_json()}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> UserFeatures:
        """Return what `to_json` described."""
        column = entry["id_column"]
        if not isinstance(column, str):
            raise ConfigError(describe("UserFeatures", "id_column", repr(column), "a name"))
        return cls(column, ColumnEncoder.from_json(entry["columns"]))
