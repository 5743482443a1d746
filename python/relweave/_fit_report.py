"""What became of the data that a model was fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from . import _core, _html
from ._events import Events
from ._ids import Codes
from .config import whole
from .errors import ConfigError, describe


@dataclass(frozen=True)
class FitReport:
    """What became of the data that `fit` was given.

    Attributes
    ----------
    events : int
        Used for training.
    events_dropped : int
        Left out, because the catalogue lacks their items.
    unknown_items : int
        Ids of such items.
    users, items, links : int
    items_without_events : int
    types_without_events : tuple of str
    users_without_features : int
        Users that the user frame lacks; they have zeros.
    """

    events: int
    events_dropped: int
    unknown_items: int
    users: int
    items: int
    links: int
    items_without_events: int
    types_without_events: tuple[str, ...]
    users_without_features: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {**asdict(self), "types_without_events": list(self.types_without_events)}

    def __str__(self) -> str:
        return _html.text_pairs(self.shown())

    def _repr_html_(self) -> str:
        return _html.pairs(self.shown(), "what the model was fitted to")

    def shown(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "types_without_events": ", ".join(self.types_without_events) or "none",
        }

    @classmethod
    def of(cls, model: _core.Recommender, events: Events, lacking: int) -> Self:
        """Count what a model was just trained on."""
        return cls._of_items(model, events.item, events.dropped, events.unknown_items, lacking)

    @classmethod
    def of_model(cls, model: _core.Recommender) -> Self:
        """Count what a model from a file was trained on; what was dropped is not known."""
        return cls._of_items(model, model.histories[1], 0, 0, 0)

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Self:
        """Return what `to_dict` described."""
        types = tuple(entry["types_without_events"])
        if not all(isinstance(name, str) for name in types):
            raise ConfigError(describe("FitReport", "types_without_events", repr(types), "names"))
        counts = {
            name: whole(value, "FitReport", name, lowest=0, highest=2**63 - 1)
            for name, value in entry.items()
            if name != "types_without_events"
        }
        return cls(**counts, types_without_events=types)

    @classmethod
    def _of_items(
        cls, model: _core.Recommender, items: Codes, dropped: int, unknown: int, lacking: int
    ) -> Self:
        offsets = model.type_offsets
        counts = np.bincount(items, minlength=offsets[-1])
        per_type = zip(model.type_names, offsets[:-1], offsets[1:], strict=True)
        return cls(
            events=len(items),
            events_dropped=dropped,
            unknown_items=unknown,
            users=len(model.user_ids),
            items=offsets[-1],
            links=int(model.graph_report["links"]),
            items_without_events=int((counts[: offsets[-1]] == 0).sum()),
            types_without_events=tuple(n for n, a, b in per_type if not counts[a:b].any()),
            users_without_features=lacking,
        )
