"""One parameter's domain, as a sweep file writes it."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from nvf.errors import nearest


class Strict(BaseModel):
    """Part of a sweep file: unknown keys are refused, and what was read does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false, which pydantic takes for 1 and 0."""
        if isinstance(value, bool) and info.field_name is not None:
            annotation = cls.model_fields[info.field_name].annotation
            kinds = {kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)}
            if bool not in kinds and any(issubclass(kind, int | float) for kind in kinds):
                raise ValueError("input should be a number")
        return value


def _single(value: Any) -> Any:
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError("write one value here: a number, a text, true, false or null")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number must be finite")
    return value


Single = Annotated[bool | int | float | str | None, BeforeValidator(_single)]
"""The value of a parameter."""


def _form(value: dict[str, Any]) -> str:
    """Return which of float, log, int and choice a domain is written as; `log: true` beside a range is no form."""
    forms = [form for form in ("float", "log", "int", "choice") if isinstance(value.get(form), list)]
    if len(forms) != 1:
        raise ValueError("needs exactly one of float, log, int, choice with a list behind it")
    (form,) = forms
    for other in ("float", "int", "choice"):
        if other in value and other != form:
            raise ValueError(f"{other} = {value[other]!r} stands beside {form}; keep one of the two")
    if form != "log" and "log" in value and not isinstance(value["log"], bool):
        raise ValueError(f"log = {value['log']!r} must be true or false")
    if form == "choice" and (extra := [name for name in ("step", "log") if name in value]):
        raise ValueError(f"a choice has no {extra[0]}; leave it out, or write a range")
    return form


class Domain(Strict):
    """Where one parameter is searched: `{log: [a, b]}`, `{float: [a, b]}`, `{int: [a, b]}` or `{choice: [...]}`.

    Attributes
    ----------
    kind
        float, int or choice.
    low, high
        Inclusive range of a number.
    log
        Whether the range is searched on a logarithmic scale.
    step
        Grid of a number, or None.
    choices
        The values of a choice.
    when
        Other names and the values (one or several) that they must have for this one to be searched.
    """

    kind: Literal["float", "int", "choice"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Single, ...] = ()
    when: dict[str, tuple[Any, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("write a range, {float: [0, 1]}, {log: [0.001, 1]}, {int: [1, 8]}, or {choice: [a, b]}")
        known = tuple(cls.model_fields) if "kind" in value else ("float", "log", "int", "choice", "when", "step")
        for name in sorted(set(value) - set(known)):
            raise ValueError(f"unknown key '{name}'{nearest(name, known)}")
        if "kind" in value:
            return value
        form = _form(value)
        when = value.get("when") or {}
        if not isinstance(when, dict):
            raise ValueError("when must be a mapping such as {system: linear}")
        read: dict[str, Any] = {"when": {k: tuple(v) if isinstance(v, list) else (v,) for k, v in when.items()}}
        if form == "choice":
            return {**read, "kind": "choice", "choices": tuple(value[form])}
        pair = value[form]
        if len(pair) != 2 or not all(isinstance(end, int | float) and not isinstance(end, bool) for end in pair):
            raise ValueError(f"{pair} is not a range; write two numbers, [low, high]")
        if form == "int" and any(end != end // 1 for end in pair):
            raise ValueError(f"{pair} are not whole numbers; write whole ends, or {{float: [low, high]}}")
        return {
            **read,
            "kind": "int" if form == "int" else "float",
            "low": pair[0],
            "high": pair[1],
            "log": form == "log" or value.get("log") is True,
            "step": value.get("step"),
        }

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.kind == "choice":
            if not self.choices:
                raise ValueError("choice needs at least one value")
            if len(set(self.choices)) < len(self.choices):
                raise ValueError(f"{list(self.choices)} holds a value twice; keep one of the two")
            return self
        if self.low >= self.high:
            raise ValueError(f"[{self.low}, {self.high}] is empty: the first number must be below the second")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must begin above 0, not at {self.low}")
        if self.step is not None:
            self._check_step(self.step)
        return self

    def _check_step(self, step: float) -> None:
        if self.log:
            raise ValueError("a logarithmic range has no step; leave one of the two out")
        if not 0 < step <= self.high - self.low:
            raise ValueError(f"step = {step} must be above 0, and not wider than the range")
        if self.kind == "int" and step != int(step):
            raise ValueError(f"step = {step} of whole numbers must be a whole number")
