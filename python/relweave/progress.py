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

_TITLES = {"graph": "item graph", "hgnn": "HGNN", "towers": "two towers"}


@dataclass(frozen=True)
class Progress:
    """Where training stands, after every step.

    Attributes
    ----------
    stage : str
        "hgnn" or "towers".
    epoch, epochs : int
        Current epoch, from 0, and how many there are at most.
    step, steps : int
        Steps done in this epoch, and its steps.
    loss : float
        Mean over the epoch so far.
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
training stops and what was trained stays."""

Step = Callable[[str, int, int, int, int, float], Any]


class ProgressBar:
    """One bar per stage: tqdm's where it is installed, otherwise a line per epoch.

    Parameters
    ----------
    stream : text stream, optional
        Where to write; the standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._make = _tqdm(stream)
        self._bar: Any = None
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        new_stage = self._last is None or self._last.stage != progress.stage
        if self._make is not None:
            self._show_bar(progress, new_stage)
        elif progress.step == progress.steps:
            title = _TITLES.get(progress.stage, progress.stage)
            print(
                f"{title}: epoch {progress.epoch + 1} of {progress.epochs}, "
                f"loss {progress.loss:.4f}",
                file=self._stream,
            )
        self._last = progress

    def _show_bar(self, progress: Progress, new_stage: bool) -> None:
        if new_stage:
            self.close()
            assert self._make is not None
            self._bar = self._make(
                total=progress.epochs,
                desc=_TITLES.get(progress.stage, progress.stage),
                unit="epoch",
                bar_format="{l_bar}{bar}| {n:.1f}/{total} epochs [{elapsed}<{remaining}{postfix}]",
                mininterval=0.5 if self._stream.isatty() else 10,  # few lines in log files
                miniters=0,
                file=self._stream,
            )
        self._bar.set_postfix_str(f"loss {progress.loss:.4f}", refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """End the current bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _tqdm(stream: TextIO | None) -> Callable[..., Any] | None:
    """Return tqdm's bar: the notebook's where it works, the plain one, or None without tqdm."""
    try:
        with warnings.catch_warnings():  # it warns where ipywidgets is missing, and then does right
            warnings.simplefilter("ignore")
            if stream is None:
                from tqdm.auto import tqdm as automatic

                return automatic  # type: ignore[no-any-return]
            from tqdm.std import tqdm as plain

            return plain  # type: ignore[no-any-return]
    except ImportError:
        try:
            from tqdm.std import tqdm as plain

            return plain  # type: ignore[no-any-return]
        except ImportError:
            return None


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
