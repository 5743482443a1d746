"""Progress of training: a callback first, a bar on top of it, nothing when switched off."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO

from .errors import DTypeError, describe

__all__ = ["Progress", "ProgressArgument", "ProgressBar"]

TITLES = {"graph": "item graph", "hgnn": "HGNN", "towers": "two towers"}


@dataclass(frozen=True)
class Progress:
    """Where training stands, after every step.

    Attributes
    ----------
    stage : str
        "graph", "hgnn" or "towers".
    epoch, epochs : int
        Current epoch, from 0, and how many there are at most; the graph has one.
    step, steps : int
        Steps done in this epoch, and its steps.
    loss : float
        Mean over the epoch so far; 0 for the graph.
    """

    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float

    @property
    def done(self) -> float:
        """Epochs done, with the part of the current one."""
        return self.epoch + (self.step / self.steps if self.steps else 0.0)


ProgressArgument = bool | Callable[[Progress], Any]
"""True for a bar, False for nothing, or a function that takes a Progress; when it returns False,
training stops and what was trained stays. Before there is a graph, that is a StoppedError."""

Step = Callable[[str, int, int, int, int, float], Any]


class ProgressBar:
    """One bar per stage in a terminal or a notebook; a line per epoch elsewhere, or without tqdm.

    Parameters
    ----------
    stream : text stream, optional
        Where to write; by default the standard error, in a notebook a widget of ipywidgets.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._make = _tqdm(self._stream)
        self._bar: Any = None
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        title = TITLES.get(progress.stage, progress.stage)
        trains = progress.stage != "graph"
        if self._make is None:
            if progress.step == progress.steps:
                text = f"epoch {progress.epoch + 1} of {progress.epochs}, {_loss(progress)}"
                text = text if trains else "done"
                print(f"{title}: {text}", file=self._stream, flush=True)
            return
        last, self._last = self._last, progress
        again = last is None or last.stage != progress.stage or last.done > progress.done
        if again or self._bar is None:
            self.close()
            self._bar = self._make(
                total=progress.epochs,
                desc=title,
                bar_format="{l_bar}{bar}| "
                + ("{n:.1f}/{total} epochs " if trains else "")
                + "[{elapsed}<{remaining}{postfix}]",
                mininterval=0.5,
                miniters=0,
                dynamic_ncols=True,
                file=self._stream,
            )
        if trains:
            self._bar.set_postfix_str(_loss(progress), refresh=False)
        self._bar.update(progress.done - self._bar.n)
        if progress.done >= progress.epochs:
            self.close()

    def close(self) -> None:
        """End the current bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _loss(progress: Progress) -> str:
    return f"loss {progress.loss:.4f}"


def _tqdm(stream: TextIO) -> Callable[..., Any] | None:
    """Return tqdm's bar, the notebook's or the terminal's, or None where none can be redrawn."""
    try:
        with warnings.catch_warnings():  # it warns where ipywidgets is missing, and then does right
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm as automatic
            from tqdm.notebook import tqdm as widget
            from tqdm.std import tqdm as plain
    except ImportError:
        return None
    if stream is sys.stderr and issubclass(automatic, widget):
        return automatic  # type: ignore[no-any-return]
    return plain if stream.isatty() else None


class Monitor(AbstractContextManager["Monitor"]):
    """What `progress=` means, as the function that the core calls."""

    def __init__(self, progress: ProgressArgument, function: str) -> None:
        self._bar = ProgressBar() if progress is True else None
        if not isinstance(progress, bool) and not callable(progress):
            raise DTypeError(
                describe(function, "progress", type(progress).__name__, "True, False or a function")
            )
        self._show = self._bar if isinstance(progress, bool) else progress

    @property
    def step(self) -> Step | None:
        """Function for the core, or None."""
        show = self._show
        if show is None:
            return None
        return lambda *fields: show(Progress(*fields))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
