"""What became of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import _html


@dataclass(frozen=True)
class EpochRecord:
    """One pass over the data.

    Attributes
    ----------
    loss : float
        Mean training loss.
    validation : float
        HGNN: share of held-out links that score above a random pair; towers: 0.
    seconds : float
    examples : int
        Links or interactions.
    """

    loss: float
    validation: float
    seconds: float
    examples: int


@dataclass(frozen=True)
class TrainingHistory:
    """All passes of one training.

    Attributes
    ----------
    epochs : tuple of EpochRecord
    best_epoch : int
        The epoch whose parameters were kept; -1 when there was no choice.
    interrupted : bool
    """

    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    interrupted: bool

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TrainingHistory:
        """Read what the core reports."""
        epochs = tuple(EpochRecord(**epoch) for epoch in values["epochs"])
        return cls(epochs, int(values["best_epoch"]), bool(values["interrupted"]))

    @property
    def seconds(self) -> float:
        """Time of all epochs together."""
        return sum(epoch.seconds for epoch in self.epochs)

    def __repr__(self) -> str:
        if not self.epochs:
            return "TrainingHistory(no epoch)"
        losses = f"loss {self.epochs[0].loss:.4f} to {self.epochs[-1].loss:.4f}"
        stopped = ", interrupted" if self.interrupted else ""
        return (
            f"TrainingHistory({len(self.epochs)} epochs, {losses}, {self.seconds:.1f} s{stopped})"
        )

    def _repr_html_(self) -> str:
        rows = [
            [number, epoch.loss, epoch.validation, epoch.seconds, epoch.examples]
            for number, epoch in enumerate(self.epochs, start=1)
        ]
        return _html.table(["epoch", "loss", "validation", "seconds", "examples"], rows)
