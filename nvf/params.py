"""Parameter sets: frozen dataclasses whose fields carry bounds, choices and a sentence each.

A parameter set stands beside its component:

>>> @dataclass(frozen=True, kw_only=True, slots=True)
... class Head:
...     hidden: int = param(128, low=1, high=4096, log=True, doc="width of the hidden layer")
>>> @dataclass(frozen=True, kw_only=True, slots=True)
... class Example:
...     temperature: float = param(0.05, low=0.001, high=1.0, log=True, doc="softmax temperature")
...     kind: str = param("a", choices=("a", "b"), doc="which one")
...     head: Head = nested(Head)

>>> make(Example, {"temperature": 0.1, "head.hidden": 64})
Example(temperature=0.1, kind='a', head=Head(hidden=64))
>>> flatten(make(Example, {}))
{'temperature': 0.05, 'kind': 'a', 'head.hidden': 128}
>>> make(Example, {"temprature": 0.1})
Traceback (most recent call last):
nvf.errors.ParamsError: unknown parameter 'temprature'; did you mean 'temperature'?
>>> make(Example, {"temperature": 3.0})
Traceback (most recent call last):
nvf.errors.ParamsError: temperature = 3.0 is out of bounds: it must lie in [0.001, 1.0]
"""

import dataclasses
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nvf.errors import ParamsError, nearest

Value = bool | int | float | str | tuple[str, ...] | None
P = TypeVar("P")
REQUIRED: Any = ...
"""Default of a parameter that must be given."""
LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one flattened parameter may be.

    Attributes
    ----------
    kind
        "int", "float", "bool", "str" or "list" (of texts).
    default
        Value that is used when nothing is said: the published point. None where the parameter is `required`.
    low, high
        Inclusive bounds of a number, or None.
    choices
        The values allowed, or None where `low` and `high` say it.
    log
        Whether the parameter is naturally searched on a logarithmic scale.
    optional
        Whether None (`null` in YAML) is allowed besides.
    required
        Whether there is no default.
    doc
        One sentence.
    """

    kind: str
    default: Value
    low: int | float | None = None
    high: int | float | None = None
    choices: tuple[Value, ...] | None = None
    log: bool = False
    optional: bool = False
    required: bool = False
    doc: str = ""

    def check(self, name: str, value: Any) -> Value:
        """Return `value` as this parameter's type, or raise `ParamsError` naming key, value and bounds."""
        if value is None and self.optional:
            return None
        if self.choices is not None:
            for choice in self.choices:
                if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                    return choice
            raise ParamsError(f"{name} = {value!r} is not one of {', '.join(map(str, self.choices))}")
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise ParamsError(f"{name} = {value!r} must be true or false")
            return value
        if self.kind == "str":
            if not isinstance(value, str):
                raise ParamsError(f"{name} = {value!r} must be a text")
            return value
        if self.kind == "list":
            if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
                raise ParamsError(f"{name} = {value!r} must be a list of texts")
            return tuple(value)
        return self._number(name, value)

    def _number(self, name: str, value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise ParamsError(f"{name} = {value!r} must be a finite number")
        if self.kind == "int" and value != int(value):
            raise ParamsError(f"{name} = {value!r} must be a whole number")
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            low = "-inf" if self.low is None else self.low
            high = "inf" if self.high is None else self.high
            raise ParamsError(f"{name} = {value!r} is out of bounds: it must lie in [{low}, {high}]")
        return int(value) if self.kind == "int" else float(value)


def param(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Value, ...] | None = None,
    log: bool = False,
    doc: str,
) -> Any:
    """Return a dataclass field for one parameter; see `Bounds` for the arguments."""
    metadata = {"low": low, "high": high, "choices": choices, "log": log, "doc": doc, "required": default is REQUIRED}
    return dataclasses.field(default=default, metadata=metadata)


def nested(cls: type[P], **defaults: Value) -> P:
    """Return a dataclass field for a stage's own parameter set, with other defaults where a stage needs them."""
    return dataclasses.field(default_factory=lambda: cls(**defaults))


def bounds(cls: type[Any], prefix: str = "") -> dict[str, Bounds]:
    """Return the bounds of every parameter of `cls` by its flattened name ("reranker.hidden")."""
    hints = typing.get_type_hints(cls)
    found: dict[str, Bounds] = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            stage = field.default_factory() if callable(field.default_factory) else None
            for name, bound in bounds(typing.cast(type[Any], hint), f"{prefix}{field.name}.").items():
                own = getattr(stage, name.removeprefix(f"{prefix}{field.name}."), bound.default)
                found[name] = dataclasses.replace(bound, default=own)
            continue
        optional = type(None) in typing.get_args(hint)
        kind = next(part for part in typing.get_args(hint) if part is not type(None)) if optional else hint
        found[prefix + field.name] = Bounds(
            kind="list" if typing.get_origin(kind) is tuple else kind.__name__,
            default=None if field.default is REQUIRED else typing.cast(Value, field.default),
            optional=optional,
            **field.metadata,
        )
    return found


def make(cls: type[P], values: Mapping[str, Any]) -> P:
    """Return `cls` from flattened names, checked; unknown keys and values out of bounds raise `ParamsError`."""
    return _assemble(cls, complete(bounds(cls), values))


def complete(known: Mapping[str, Bounds], values: Mapping[str, Any]) -> dict[str, Value]:
    """Return every parameter's value, by its flattened name: `values`, checked, and defaults; raises as `make` does."""
    for name in values:
        if name not in known:
            raise ParamsError(f"unknown parameter '{name}'{nearest(name, known)}")
    for name, bound in known.items():
        if bound.required and name not in values:
            raise ParamsError(f"'{name}' is missing: {bound.doc}")
    checked = {name: known[name].check(name, value) for name, value in values.items()}
    return {name: checked.get(name, bound.default) for name, bound in known.items()}


def _assemble(cls: type[P], flat: Mapping[str, Value]) -> P:
    hints = typing.get_type_hints(cls)
    arguments: dict[str, Any] = {}
    for field in dataclasses.fields(typing.cast(Any, cls)):
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            start = f"{field.name}."
            inner = {name.removeprefix(start): value for name, value in flat.items() if name.startswith(start)}
            arguments[field.name] = _assemble(typing.cast(type[Any], hint), inner)
        else:
            arguments[field.name] = flat[field.name]
    return cls(**arguments)


def flatten(params: Any) -> dict[str, Value]:
    """Return the flattened dictionary of a parameter set: what MLflow logs and a checkpoint holds."""
    flat: dict[str, Value] = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        if dataclasses.is_dataclass(value):
            flat.update({f"{field.name}.{name}": inner for name, inner in flatten(value).items()})
        else:
            flat[field.name] = value
    return flat
