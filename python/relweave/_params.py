"""scikit-learn's manners: settings are stored as given, read and changed by name."""

from __future__ import annotations

import inspect
from dataclasses import asdict, replace
from typing import Any, ClassVar, Self

from .config import as_config
from .errors import ConfigError, NotFittedError, describe, near_names


class Parameters:
    """`get_params` and `set_params`; settings in groups are reached as `group__name`."""

    _groups: ClassVar[dict[str, Any]] = {}
    _learned: ClassVar[tuple[str, ...]] = ()
    """Attributes that a fit sets."""

    def __getattr__(self, name: str) -> Any:
        """Tell a result that is not there yet from a name that never will be."""
        if name in self._learned:
            raise NotFittedError(
                describe(
                    f"{type(self).__name__}.{name}",
                    "model",
                    "one that is not fitted",
                    "a fitted model",
                    "Call fit first.",
                )
            )
        return object.__getattribute__(self, name)  # raises, for properties what they raised

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments; with `deep`, also the settings in groups."""
        params = {name: getattr(self, name) for name in self._names()}
        if deep:
            for name, group in self._groups.items():
                settings = asdict(as_config(group, params[name], name))
                params.update({f"{name}__{key}": value for key, value in settings.items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Change settings, before the next fit; `hgnn__epochs=5` changes one inside a group."""
        for name, value in params.items():
            group, _, key = name.partition("__")
            known = self.get_params()
            if name not in known:
                choices = [n for n in known if key and n.startswith(f"{group}__")] or self._names()
                raise ConfigError(
                    describe(
                        f"{type(self).__name__}.set_params",
                        name,
                        "an unknown setting",
                        f"one of {', '.join(choices)}",
                        near_names(name, known, cutoff=0.7),
                    )
                )
            if key:
                config = as_config(self._groups[group], getattr(self, group), group)
                setattr(self, group, replace(config, **{key: value}))
            else:
                setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Show the settings that differ from their defaults."""
        defaults = {n: p.default for n, p in inspect.signature(type(self)).parameters.items()}
        params = self.get_params(deep=False)
        changed = [f"{name}={value!r}" for name, value in params.items() if value != defaults[name]]
        return f"{type(self).__name__}({', '.join(changed)})"
