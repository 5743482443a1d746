"""What a checkpoint keeps for Python beside the model: how features are made, reports, columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from . import _core
from ._columns import ColumnEncoder
from ._features import ItemFeatures, UserFeatures
from ._fit_report import FitReport
from .errors import ConfigError, describe

_LISTS = ("text", "metadata")


@dataclass(frozen=True)
class Saved:
    """The text that travels with the core's model, read and checked."""

    items: ItemFeatures
    users: UserFeatures | None
    report: FitReport
    columns: dict[str, Any]

    def to_json(self) -> str:
        """Return what `read` reads."""
        return json.dumps(
            {
                "items": self.items.to_json(),
                "users": None if self.users is None else self.users.to_json(),
                "fit_report": self.report.to_dict(),
                "columns": self.columns,
            }
        )

    @classmethod
    def read(cls, model: _core.Recommender) -> Self:
        """Read it from a model; one that C++ trained has none, and takes bare vectors.

        Raises
        ------
        ConfigError, KeyError, TypeError, ValueError, AttributeError
            It is damaged, or does not fit the model.
        """
        if not model.extra:
            items = ItemFeatures(None, model.item_feature_count, ColumnEncoder({}))
            return cls(items, None, FitReport.of_model(model), {})
        extra = json.loads(model.extra)
        items = ItemFeatures.from_json(extra["items"])
        _expect_width("items", items.width, model.item_feature_count)
        users = None if extra["users"] is None else UserFeatures.from_json(extra["users"])
        user_width = 0 if users is None else users.columns.width
        _expect_width("users", user_width, model.user_features.shape[1])
        return cls(items, users, FitReport.from_json(extra["fit_report"]), _columns(extra))


def _expect_width(argument: str, got: int, expected: int) -> None:
    if got != expected:
        raise ConfigError(
            describe("Saved", argument, f"{got} feature columns", f"{expected}, like the model")
        )


def _columns(extra: Mapping[str, Any]) -> dict[str, Any]:
    for owner, names in extra["columns"].items():
        for role, name in names.items():
            listed = name if role in _LISTS else [name]
            if not isinstance(listed, list) or not all(
                isinstance(x, str) or (x is None and role not in _LISTS) for x in listed
            ):
                got, expected = f"{role}: {name!r}", "names of columns"
                raise ConfigError(describe("Saved", f"columns of {owner}", got, expected))
    columns: dict[str, Any] = {owner: extra["columns"][owner] for owner in ("log", "items")}
    return columns
