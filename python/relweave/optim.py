"""Optimisers that update arrays in place, and learning rates over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._arrays import Array, as_array, as_indices, expect_like
from .config import flag, number, thread_count, whole
from .errors import ConfigError, DTypeError, ShapeError, describe

__all__ = ["SGD", "Adam", "CosineSchedule"]

LearningRate = float | Callable[[int], float]
"""A number, or a function from the number of steps taken before to a number."""


@dataclass(frozen=True)
class CosineSchedule:
    """Learning rate that falls from `base` to 0 along half a cosine, and stays there.

    ``base * (1 + cos(pi * step / steps)) / 2`` for steps 0, 1, ..., `steps`.

    Parameters
    ----------
    base : float
        The first step's rate.
    steps : int
        Steps until it is 0, at least 1.

    Notes
    -----
    Source: Loshchilov & Hutter 2017, SGDR, eq. 5 without restarts (arXiv 1608.03983).

    Examples
    --------
    >>> import relweave as rw
    >>> rate = rw.optim.CosineSchedule(0.2, steps=10)
    >>> [round(rate(step), 3) for step in (0, 5, 10, 11)]
    [0.2, 0.1, 0.0, 0.0]
    """

    base: float
    steps: int

    def __post_init__(self) -> None:
        number(self.base, "CosineSchedule", "base")
        whole(self.steps, "CosineSchedule", "steps")

    def __call__(self, step: int) -> float:
        """Return the rate of a step; the first is 0."""
        return _core.cosine_schedule(self.base, self.steps, step)


class _Optimizer:
    """Named parameters, each with its state in the core."""

    def __init__(
        self,
        parameters: Any,
        learning_rate: LearningRate,
        threads: int | None,
        make: Callable[[Array], _core.Optimizer],
        moments: tuple[str, ...],
    ) -> None:
        self.learning_rate = learning_rate
        self.steps = 0
        self._name = type(self).__name__
        self._threads = thread_count(threads, self._name)
        named = parameters if isinstance(parameters, Mapping) else {"": parameters}
        self._parameters = {name: self._in_place(name, value) for name, value in named.items()}
        self._states = {name: make(array) for name, array in self._parameters.items()}
        self._moments = moments

    def step(self, gradients: Any, *, rows: Any = None) -> None:
        """Update the parameters in place.

        Parameters
        ----------
        gradients : array or mapping of str to array
            Like the parameters: one array, or one for every name.
        rows : array of int or mapping of str to array of int, optional
            For tables of which only some rows move: which ones, in any order. The gradient of such
            a table is (n_rows, d); those of a row that is given twice add up.

        Raises
        ------
        ConfigError, DeviceError, DTypeError, ShapeError
        IndexError
            A row that the table does not have. After any of these, nothing has changed.
        """
        here = f"{self._name}.step"
        grads = self._named(gradients, "gradients")
        chosen = {} if rows is None else self._named(rows, "rows")
        known = set(self._parameters)
        for argument, got, fits in (
            ("gradients", grads, set(grads) == known),
            ("rows", chosen, set(chosen) <= known),
        ):
            if not fits:
                names = sorted(got), sorted(known)
                raise ConfigError(describe(here, argument, f"{names[0]}", f"{names[1]}"))
        rate = (
            self.learning_rate(self.steps) if callable(self.learning_rate) else self.learning_rate
        )
        if number(rate, here, "learning_rate") < 0:
            raise ConfigError(describe(here, "learning_rate", repr(rate), "a number from 0 on"))
        moves = {name: self._move(name, grads[name], chosen.get(name)) for name in grads}
        for name, (gradient, indices) in moves.items():
            state, array = self._states[name], self._parameters[name]
            if indices is None:
                state.step(array, gradient, learning_rate=rate, threads=self._threads)
            else:
                state.step_rows(array, indices, gradient, learning_rate=rate, threads=self._threads)
        self.steps += 1

    def state_dict(self) -> dict[str, Array]:
        """Return copies of what the steps left behind: "steps", and moments shaped as parameters.

        Names are "<parameter>.mean" and "<parameter>.square" for Adam, "<parameter>.velocity" for
        SGD with momentum, without the first part where the parameters are one array. Settings are
        not in it. `rw.io.save_safetensors` writes it to a file.
        """
        state = {"steps": np.array(self.steps)}
        for name, array in self._parameters.items():
            moments = zip(self._moments, self._states[name].moments, strict=False)
            state |= {self._key(name, m): values.reshape(array.shape) for m, values in moments}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the optimiser of `state_dict` stood, to the same bits.

        Raises
        ------
        ConfigError, DeviceError, DTypeError, ShapeError
            Other names, shapes or types than those of this optimiser; nothing has changed then.
        """
        here = f"{self._name}.load_state_dict"
        known = {"steps"} | {self._key(n, m) for n in self._parameters for m in self._moments}
        if set(state) != known:
            raise ConfigError(describe(here, "state", f"{sorted(state)}", f"{sorted(known)}"))
        arrays = {key: as_array(value, f"{here}: state[{key!r}]") for key, value in state.items()}
        label = "state['steps']"
        count = arrays.pop("steps")
        expect_like(count, f"{here}: {label}", (), count.dtype)
        steps = whole(count.item(), here, label, 0, 2**62)
        moments = {}
        for name, array in self._parameters.items():
            keys = [self._key(name, m) for m in self._moments]
            for key in keys:
                expect_like(arrays[key], f"{here}: state[{key!r}]", array.shape, array.dtype)
            moments[name] = [np.ascontiguousarray(arrays[key]) for key in keys]
        for name, values in moments.items():
            if values:
                self._states[name].restore(steps, *values)
        self.steps = steps

    def _key(self, name: str, moment: str) -> str:
        return f"{name}.{moment}" if name else moment

    def _move(self, name: str, gradient: Array, rows: Array | None) -> tuple[Array, Any]:
        """Return a gradient that the core can read, and the rows that it belongs to."""
        array, where = self._parameters[name], self._where("gradients", name)
        if rows is None:
            expect_like(gradient, where, array.shape, array.dtype)
            return np.ascontiguousarray(gradient), None
        if array.ndim != 2:
            place = self._where("rows", name)
            raise ShapeError(f"{place}: got a parameter of {array.ndim} dimensions, expected 2")
        indices = as_indices(rows, self._where("rows", name), array.shape[0])
        expect_like(gradient, where, (len(indices), array.shape[1]), array.dtype)
        return np.ascontiguousarray(gradient), indices

    def _in_place(self, name: str, value: Any) -> Array:
        where = self._where("parameters", name)
        if not hasattr(value, "__dlpack__"):  # a list would be copied, and the copy updated
            raise DTypeError(f"{where}: got a {type(value).__name__}, expected an array")
        array = as_array(value, where)
        if array.dtype not in (np.float32, np.float64):
            raise DTypeError(f"{where}: got dtype {array.dtype}, expected float32 or float64")
        if not (array.flags.c_contiguous and array.flags.writeable):
            kind = "read-only" if array.flags.c_contiguous else "not C-contiguous"
            raise ConfigError(
                f"{where}: got an array that is {kind}, expected one that can be updated in place"
            )
        return array

    def _named(self, values: Any, argument: str) -> dict[str, Array]:
        named = values if isinstance(values, Mapping) else {"": values}
        return {name: as_array(v, self._where(argument, name)) for name, v in named.items()}

    def _where(self, argument: str, name: str) -> str:
        return f"{self._name}: {argument}[{name!r}]" if name else f"{self._name}: {argument}"


class SGD(_Optimizer):
    """Stochastic gradient descent with momentum.

    With g the gradient plus ``weight_decay`` times the parameter, ``v = momentum v + (1 -
    dampening) g``, at first ``v = g``, and ``parameter -= learning_rate v``; with `nesterov`,
    ``g + momentum v`` takes the place of v.

    Parameters
    ----------
    parameters : array or mapping of str to array
        What to update in place, such as ``net.parameters()`` of `rw.nn.HeteroSAGE`: float32 or
        float64, C-contiguous, writable, NumPy or DLPack on the CPU.
    learning_rate : float or function
        A function gets the number of steps taken before, as `CosineSchedule` does.
    momentum, weight_decay : float
    dampening : float
        Needs momentum.
    nesterov : bool
        Needs momentum without dampening.
    threads : int, optional

    Attributes
    ----------
    steps : int
        Taken so far.

    Raises
    ------
    ConfigError, DeviceError, DTypeError
        A setting out of range, or parameters that cannot be updated in place.

    Notes
    -----
    Steps on `rows` treat each row as a parameter of its own that is stepped when it is given,
    velocity and weight decay included. A gradient that is not finite makes its parameter so. The
    same bits for any number of threads. Source: Sutskever et al. 2013 (ICML), in the form of
    ``torch.optim.SGD``.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> table = np.ones((3, 2))
    >>> optimizer = rw.optim.SGD(table, learning_rate=0.1)
    >>> optimizer.step(np.array([[1.0, 2.0], [3.0, 0.0]]), rows=[2, 2])
    >>> table
    array([[1. , 1. ],
           [1. , 1. ],
           [0.6, 0.8]])
    """

    def __init__(
        self,
        parameters: Any,
        learning_rate: LearningRate = 1e-2,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        threads: int | None = None,
    ) -> None:
        settings: dict[str, Any] = {
            "momentum": number(momentum, "SGD", "momentum"),
            "dampening": number(dampening, "SGD", "dampening"),
            "weight_decay": number(weight_decay, "SGD", "weight_decay"),
            "nesterov": flag(nesterov, "SGD", "nesterov"),
        }

        def make(array: Array) -> _core.Optimizer:
            kind = _core.SgdFloat32 if array.dtype == np.float32 else _core.SgdFloat64
            return kind(array.size, **settings)

        super().__init__(
            parameters, learning_rate, threads, make, ("velocity",) if momentum else ()
        )


class Adam(_Optimizer):
    """Adam: steps of the gradient's running mean over the root of its running mean square.

    With g the gradient plus ``weight_decay`` times the parameter, at step t
    ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g^2`` and ``parameter -=
    learning_rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)``.

    Parameters
    ----------
    parameters : array or mapping of str to array
        What to update in place, such as ``net.parameters()`` of `rw.nn.HeteroSAGE`: float32 or
        float64, C-contiguous, writable, NumPy or DLPack on the CPU.
    learning_rate : float or function
        A function gets the number of steps taken before, as `CosineSchedule` does.
    betas : (float, float)
    epsilon, weight_decay : float
    threads : int, optional

    Attributes
    ----------
    steps : int
        Taken so far.

    Raises
    ------
    ConfigError, DeviceError, DTypeError
        A setting out of range, or parameters that cannot be updated in place.

    Notes
    -----
    Steps on `rows` move only these rows and their moments, as ``torch.optim.SparseAdam`` does;
    epsilon is then added to ``sqrt(v)`` before its correction, and t counts all steps. A gradient
    that is not finite makes its parameter so. The same bits for any number of threads. Source:
    Kingma & Ba 2015, algorithm 1 (arXiv 1412.6980), in the form of ``torch.optim.Adam``.

    Examples
    --------
    >>> import numpy as np, relweave as rw
    >>> weights = {"w": np.array([1.0, -2.0])}
    >>> optimizer = rw.optim.Adam(weights, rw.optim.CosineSchedule(0.1, steps=100))
    >>> optimizer.step({"w": np.array([3.0, -0.5])})
    >>> weights["w"].round(6)
    array([ 0.9, -1.9])
    """

    def __init__(
        self,
        parameters: Any,
        learning_rate: LearningRate = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        threads: int | None = None,
    ) -> None:
        beta1, beta2 = _pair(betas)
        settings = {
            "beta1": number(beta1, "Adam", "beta1"),
            "beta2": number(beta2, "Adam", "beta2"),
            "epsilon": number(epsilon, "Adam", "epsilon"),
            "weight_decay": number(weight_decay, "Adam", "weight_decay"),
        }

        def make(array: Array) -> _core.Optimizer:
            kind = _core.AdamFloat32 if array.dtype == np.float32 else _core.AdamFloat64
            return kind(array.size, **settings)

        super().__init__(parameters, learning_rate, threads, make, ("mean", "square"))


def _pair(betas: Any) -> tuple[Any, Any]:
    if not isinstance(betas, Sequence) or len(betas) != 2:
        raise ConfigError(describe("Adam", "betas", repr(betas), "two numbers"))
    return betas[0], betas[1]
