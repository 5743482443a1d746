"""Settings of the three stages. The defaults are those of the C++ library, read from it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from typing import Any, Literal, TypeVar

import numpy as np

from . import _core
from ._files import path_of
from .errors import (
    ConfigError,
    DeviceError,
    DTypeError,
    NotCompiledError,
    describe,
    near_names,
)

__all__ = ["GraphConfig", "HGNNConfig", "TwoTowerConfig"]

_DEFAULTS: dict[str, Any] = json.loads(_core.default_config())
_GRAPH: dict[str, Any] = _DEFAULTS["graph"]
_HGNN: dict[str, Any] = _DEFAULTS["hgnn"]
_TOWERS: dict[str, Any] = _DEFAULTS["towers"]


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """How a log becomes an item graph (De Nadai et al. 2024, section 4.1.1).

    Attributes
    ----------
    max_history : int
        Most recent items of each user that make pairs; a user with n items makes n^2 of them.
    window_seconds : int
        Longest time between the two items of a pair; 0 for any.
    min_count : int
        Users that a link needs.
    top_neighbors : int
        Strongest neighbours kept per item and neighbour type; 0 keeps all.
    weight : {"count", "cosine", "pmi"}
        What makes a neighbour strong.
    strong_only : bool
        Leave weak signals out of the graph.
    memory_limit : int or str
        Bytes, such as 2_000_000_000, "2GB" or "2GiB" (units kB, MB, GB, TB of 1000; KiB, MiB, GiB,
        TiB of 1024), that building the graph may take beside the log, the links included; 0 for
        any number. What does not fit goes through files; the links are the same. Not saved with a
        model.
    temp_folder : str or path
        For those files, which have no name and are gone when the process ends; "" for the
        system's folder ($TMPDIR). Not saved with a model.

    Examples
    --------
    >>> GraphConfig(top_neighbors=20).weight
    'cosine'
    >>> GraphConfig(memory_limit="2GiB").settings()["memory_limit"]
    2147483648
    """

    max_history: int = _GRAPH["max_history"]
    window_seconds: int = _GRAPH["window_seconds"]
    min_count: int = _GRAPH["min_count"]
    top_neighbors: int = _GRAPH["top_neighbors"]
    weight: Literal["count", "cosine", "pmi"] = _GRAPH["weight"]
    strong_only: bool = _GRAPH["strong_only"]
    memory_limit: int | str = _GRAPH["memory_limit"]
    temp_folder: str | os.PathLike[str] = _GRAPH["temp_folder"]

    def settings(self) -> dict[str, Any]:
        """Return the fields by name, with the limit in bytes and the folder as text."""
        folder = self.temp_folder
        empty = isinstance(folder, str) and not folder
        return {
            **asdict(self),
            "memory_limit": byte_count(self.memory_limit, "GraphConfig", "memory_limit"),
            "temp_folder": "" if empty else path_of(folder, "GraphConfig.temp_folder", "folder"),
        }


@dataclass(frozen=True, kw_only=True)
class HGNNConfig:
    """The heterogeneous GraphSAGE and its training (Damianou et al. 2024).

    Attributes
    ----------
    layers : tuple of int
        Output features per layer.
    fanout : int
        Sampled neighbours per node and relation.
    epochs, batch : int
        Passes over the links, and links per step.
    learning_rate : float
    loss : {"margin", "sampled_softmax"}
        Margin is De Nadai et al. 2024, eq. 4, with `margin` and uniform `negatives` per link;
        sampled softmax uses the batch as negatives, with `temperature`.
    balance : {"none", "floor", "strict"}
        Links taken per relation and epoch: all; as many as the smallest relation has but at least
        `balance_floor`; strictly as many as the smallest has (which undertrains when it is tiny).
    validation_fraction : float
        Share of links held out for early stopping.
    patience : int
        Epochs without improvement before stopping.
    node_drop : float
        Share of nodes that lose their neighbourhood in a step; about 0.2 helps cold items.
    inference_draws : int
        Neighbourhood samples averaged per vector.
    sharing : {"shared_between_directions", "separate"}
        Whether both directions of a pair of types use the same weights.
    """

    layers: tuple[int, ...] = tuple(_HGNN["layers"])
    fanout: int = _HGNN["fanout"]
    epochs: int = _HGNN["epochs"]
    batch: int = _HGNN["batch"]
    learning_rate: float = _HGNN["learning_rate"]
    loss: Literal["margin", "sampled_softmax"] = _HGNN["loss"]
    margin: float = _HGNN["margin"]
    negatives: int = _HGNN["negatives"]
    temperature: float = _HGNN["temperature"]
    balance: Literal["none", "floor", "strict"] = _HGNN["balance"]
    balance_floor: int = _HGNN["balance_floor"]
    validation_fraction: float = _HGNN["validation_fraction"]
    patience: int = _HGNN["patience"]
    node_drop: float = _HGNN["node_drop"]
    inference_draws: int = _HGNN["inference_draws"]
    sharing: Literal["shared_between_directions", "separate"] = _HGNN["sharing"]


@dataclass(frozen=True, kw_only=True)
class TwoTowerConfig:
    """The user and item towers and their training (De Nadai et al. 2024, section 4.2).

    Attributes
    ----------
    layers : tuple of int
        Output features per layer of both towers.
    epochs, batch : int
        Passes over the strong interactions, and interactions per step.
    learning_rate : float
    schedule : {"cosine", "constant"}
        Of the learning rate.
    loss : {"sampled_softmax", "dot_product", "bpr"}
        In-batch softmax; eq. 5 of the paper, which stays bounded only because both outputs have
        unit norm and ranks clearly worse; Bayesian personalised ranking.
    temperature : float
        Of the softmax.
    correction : float
        Share of the log popularity subtracted from the logits in training.
    history : {"leave_one_out", "causal"}
        Which other interactions make the history of an example: all, or earlier ones.
    max_history : int
        Most recent items of a user that are read.
    window_seconds : int
        Age limit of the history; 0 for none.
    weak_weight : float
        Weight of weak signals in the history; strong ones weigh 1.
    hidden_history : float
        Share of examples whose history is hidden, which teaches the answer to cold users.
    cold_items : float
        Share of the items of a step that are shown as new ones, with the HGNN vectors they would
        have without links: teaches the answer for items that nobody has touched.
    trend : float
        Weight of the recent-popularity prior that serving adds; 0 for none.
    trend_seconds : int
        What counts as recent, before the last event.
    """

    layers: tuple[int, ...] = tuple(_TOWERS["layers"])
    epochs: int = _TOWERS["epochs"]
    batch: int = _TOWERS["batch"]
    learning_rate: float = _TOWERS["learning_rate"]
    schedule: Literal["cosine", "constant"] = _TOWERS["schedule"]
    loss: Literal["sampled_softmax", "dot_product", "bpr"] = _TOWERS["loss"]
    temperature: float = _TOWERS["temperature"]
    correction: float = _TOWERS["correction"]
    history: Literal["leave_one_out", "causal"] = _TOWERS["history"]
    max_history: int = _TOWERS["max_history"]
    window_seconds: int = _TOWERS["window_seconds"]
    weak_weight: float = _TOWERS["weak_weight"]
    hidden_history: float = _TOWERS["hidden_history"]
    cold_items: float = _TOWERS["cold_items"]
    trend: float = _TOWERS["trend"]
    trend_seconds: int = _TOWERS["trend_seconds"]


_LARGEST = np.finfo(np.float64).max

Config = TypeVar("Config", GraphConfig, HGNNConfig, TwoTowerConfig)


def as_config(cls: type[Config], value: Config | Mapping[str, Any] | None, name: str) -> Config:
    """Return settings given as an object, a mapping or None (defaults)."""
    if value is None:
        return cls()
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        raise DTypeError(
            describe(cls.__name__, name, type(value).__name__, f"{cls.__name__} or a mapping")
        )
    known = [field.name for field in fields(cls)]
    for key in value:
        if key not in known:
            raise ConfigError(
                describe(
                    cls.__name__,
                    name,
                    f"unknown setting {key!r}",
                    f"one of {', '.join(known)}",
                    near_names(key, known),
                )
            )
    settings: dict[str, Any] = dict(value)
    if isinstance(settings.get("layers"), list | np.ndarray):
        settings["layers"] = tuple(settings["layers"])
    return cls(**settings)


def to_json(
    *,
    graph: GraphConfig | None = None,
    hgnn: HGNNConfig | None = None,
    towers: TwoTowerConfig | None = None,
    use_hgnn: bool = True,
    seed: int = 0,
) -> str:
    """Return the settings as the C++ core reads them; it checks every range."""
    for config in (graph, hgnn, towers):
        for name, value in (asdict(config) if config is not None else {}).items():
            if isinstance(value, float | np.floating) and not np.isfinite(value):
                raise ConfigError(
                    describe(type(config).__name__, name, repr(value), "a finite number")
                )
    settings = {
        "graph": (graph or GraphConfig()).settings(),
        "hgnn": {**asdict(hgnn or HGNNConfig()), "seed": seed},
        "towers": {**asdict(towers or TwoTowerConfig()), "seed": seed},
        "use_hgnn": use_hgnn,
    }
    return json.dumps(settings, default=_plain)


def _plain(value: Any) -> Any:
    """Return a NumPy number as the Python number that it holds."""
    if hasattr(value, "item"):
        return value.item()
    raise DTypeError(describe("config", "value", type(value).__name__, "a number or a word"))


def expect_no_window(window_seconds: int, function: str) -> None:
    """Refuse a window over a log without times, whose row numbers are no seconds."""
    if window_seconds:
        raise ConfigError(
            describe(
                function,
                "window_seconds",
                repr(window_seconds),
                "0, since the log has no times",
                "Pass time= to InteractionLog.",
            )
        )


def without_times(towers: TwoTowerConfig, function: str) -> TwoTowerConfig:
    """Return settings for a log without times: row numbers tell an order, not what is recent."""
    expect_no_window(towers.window_seconds, function)
    return replace(towers, trend=0.0)


def device_number(device: Any, function: str) -> int:
    """Return what the core takes: -1 for "cpu", n for "cuda:n"; "cuda" is the first device.

    Raises
    ------
    ConfigError
        Another word.
    NotCompiledError, DeviceError
        This build has no CUDA, or the machine has no such device: the CPU never stands in for it.
    """
    if isinstance(device, str) and device == "cpu":
        return -1
    asked = re.fullmatch(r"cuda(?::([0-9]{1,4}))?", device) if isinstance(device, str) else None
    if asked is None:
        raise ConfigError(
            describe(
                function,
                "device",
                repr(device),
                "'cpu', 'cuda' or 'cuda:N'",
                near_names(device, ["cpu", "cuda"]),
            )
        )
    if not _core.cuda_compiled():
        raise NotCompiledError(
            describe(
                function,
                "device",
                repr(device),
                "'cpu', since this build has no CUDA",
                "With the toolkit, `pip install . -Ccmake.define.RELWEAVE_CUDA=ON` builds it.",
            )
        )
    count, number = _core.cuda_device_count(), int(asked[1] or 0)
    if number >= count:
        here = {0: "'cpu': there is no CUDA device", 1: "'cuda:0', the only device"}
        raise DeviceError(
            describe(
                function,
                "device",
                repr(device),
                here.get(count, f"'cuda:0' to 'cuda:{count - 1}'"),
                "" if count else "Check the driver with nvidia-smi.",
            )
        )
    return number


def thread_count(threads: int | None, function: str) -> int:
    """Return what the core takes: 0 for its default."""
    return 0 if threads is None else whole(threads, function, "threads", highest=4096)


def seed_of(seed: Any, function: str) -> int:
    """Return a seed: any whole number of 64 bits."""
    return whole(seed, function, "seed", lowest=0, highest=2**64 - 1)


def whole(
    value: Any, function: str, argument: str, lowest: int = 1, highest: int = 2**31 - 1
) -> int:
    """Return a whole number in [lowest, highest]."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not lowest <= value <= highest:
        raise ConfigError(
            describe(function, argument, repr(value), f"a whole number from {lowest} to {highest}")
        )
    return int(value)


_UNITS = {
    "": 1,
    **{f"{prefix}b": 1000**k for k, prefix in enumerate(["", "k", "m", "g", "t"])},
    **{f"{prefix}ib": 1024**k for k, prefix in enumerate(["", "k", "m", "g", "t"]) if prefix},
}


def byte_count(value: Any, function: str, argument: str) -> int:
    """Return a number of bytes given as such, or as text with a unit.

    Examples
    --------
    >>> byte_count("1.5 GiB", "f", "x"), byte_count("500MB", "f", "x"), byte_count(7, "f", "x")
    (1610612736, 500000000, 7)
    """
    highest = 2**63 - 1
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", value.lower())
        unit = _UNITS.get(found[2]) if found else None
        if found is None or unit is None or (size := int(Decimal(found[1]) * unit)) > highest:
            expected = "bytes, as a number or as text such as '2GiB' or '500 MB'"
            raise ConfigError(describe(function, argument, repr(value), expected))
        return size
    return whole(value, function, argument, lowest=0, highest=highest)


def number(value: Any, function: str, argument: str, *, positive: bool = False) -> float:
    """Return a finite number."""
    is_number = isinstance(value, int | float | np.integer | np.floating)
    finite = is_number and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST
    if not finite or (positive and value <= 0):
        expected = f"a finite number{' above 0' if positive else ''}"
        raise ConfigError(describe(function, argument, repr(value), expected))
    return float(value)


def flag(value: Any, function: str, argument: str) -> bool:
    """Return True or False; nothing else counts as one of them."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(describe(function, argument, repr(value), "True or False"))
    return bool(value)
