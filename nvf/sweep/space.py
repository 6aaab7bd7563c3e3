"""The search space: which parameters of which systems are drawn, and under which conditions.

Compiled to Optuna's define-by-run form: a parameter whose condition does not hold is not drawn at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

from nvf import params
from nvf.errors import ParamsError, nearest
from nvf.journal.facts import Params
from nvf.spec.domain import Domain
from nvf.spec.form import Misfit, Spec, blaming
from nvf.systems import catalogue

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Setting:
    """What one trial runs: a system, and all of its parameters, flattened.

    `chosen` is what was drawn, by the names of the space; `system` is among them where it was a choice.
    """

    system: str
    params: Params
    chosen: Params


class Space:
    """The space of a spec; raises `Misfit` where a name or a value in it does not fit."""

    def __init__(self, spec: Spec) -> None:
        self.systems = spec.system
        self._domains = dict(spec.space)
        self._bounds: dict[str, Mapping[str, params.Bounds]] = {}
        for place, name in enumerate(spec.system):
            with blaming("system", *[place] * (len(spec.system) > 1)):
                self._bounds[name] = catalogue.get(name).params
        self._fixed: dict[str, params.Value] = dict(spec.fixed)
        for name in self._fixed:
            self._check_fixed(name)
        for name, domain in self._domains.items():
            self._check_domain(name, domain)
        self._order = self._sorted()
        for place, start in enumerate(spec.start):
            self._check_start(place, start)

    def settings(self, chosen: Params) -> Setting:
        """Return the trial that `chosen` stands for."""
        system = str(chosen.get(SYSTEM, self.systems[0]))
        values: Params = {}
        for source in (self._fixed, chosen):
            for name in sorted(source, key=lambda name: self._split(name)[0] is not None):
                owner, param = self._split(name)
                if param in self._bounds[system] and owner in (None, system):
                    values[param] = source[name]
        return Setting(system, params.complete(self._bounds[system], values), dict(chosen))

    def suggest(self, trial: BaseTrial) -> Params:
        """Draw one point from an Optuna trial."""
        chosen: Params = {}
        if len(self.systems) > 1:
            chosen[SYSTEM] = trial.suggest_categorical(SYSTEM, self.systems)
        for name in self._order:
            if self._active(name, chosen):
                chosen[name] = _suggest(trial, name, distribution(self._domains[name]))
        return chosen

    def distinct(self, most: int) -> int:
        """Return how many different settings there are, at most `most`: a range of floats without a step has more."""
        return min(most, self._count(0, {}, most, None))

    def _count(self, depth: int, chosen: Params, most: int, system: str | None) -> int:
        if system is None and len(self.systems) > 1:
            found = 0
            for each in self.systems:
                found += self._count(depth, {SYSTEM: each}, most - found, each)
                if found >= most:
                    return most
            return found
        if depth == len(self._order):
            return 1
        name, found = self._order[depth], 0
        if not self._active(name, chosen):
            return self._count(depth + 1, chosen, most, system or self.systems[0])
        for value in _values(self._domains[name], most):
            found += self._count(depth + 1, {**chosen, name: value}, most - found, system or self.systems[0])
            if found >= most:
                return most
        return found

    def _split(self, name: str) -> tuple[str | None, str]:
        """Return (system, parameter) of a name such as `linear.lr`; the system is None for a shared name."""
        first, _, rest = name.partition(".")
        return (first, rest) if first in self._bounds and rest else (None, name)

    def _owners(self, name: str) -> list[str]:
        """Return the systems that a name of `space` or `fixed` speaks of."""
        owner, param = self._split(name)
        if owner is not None:
            return [owner] if param in self._bounds[owner] else []
        # Where a system has a name of its own (`linear.lr`), the shared one (`lr`) is not for it.
        own = {self._split(other)[0] for other in self._domains if self._split(other)[1] == param}
        return [system for system, bounds in self._bounds.items() if param in bounds and system not in own]

    def _unknown(self, name: str) -> str:
        owner, param = self._split(name)
        known = {each for system in ([owner] if owner else self._bounds) for each in self._bounds[system]}
        return f"unknown parameter '{param}' of {owner or ' / '.join(self.systems)}{nearest(param, known)}"

    def _check_fixed(self, name: str) -> None:
        owners = self._owners(name)
        if not owners:
            raise Misfit(("fixed", name), self._unknown(name))
        if name in self._domains:
            raise Misfit(("fixed", name), "stands in space too; keep one of the two")
        param = self._split(name)[1]
        for system in owners:
            with blaming("fixed", name):
                self._fixed[name] = self._bounds[system][param].check(name, self._fixed[name])

    def _check_domain(self, name: str, domain: Domain) -> None:
        owners = self._owners(name)
        if not owners:
            raise Misfit(("space", name), self._unknown(name))
        param = self._split(name)[1]
        for system in owners:
            bound = self._bounds[system][param]
            if domain.kind == "float" and bound.kind == "int":
                raise Misfit(("space", name), f"is a whole number in {system}; write {{int: [low, high]}}")
            if domain.kind != "choice" and bound.kind not in ("int", "float"):
                raise Misfit(("space", name), f"is no number in {system}; write {{choice: [...]}}")
            for value in domain.choices if domain.kind == "choice" else (domain.low, domain.high):
                with blaming("space", name):
                    bound.check(name, value)
        for other in domain.when:
            if other != SYSTEM and other not in self._domains and not self._owners(other):
                names = {SYSTEM, *self._domains, *(param for bounds in self._bounds.values() for param in bounds)}
                raise Misfit(("space", name, "when", other), f"unknown parameter '{other}'{nearest(other, names)}")
            for value in domain.when[other]:
                if not self._possible(other, value):
                    raise Misfit(("space", name, "when", other), f"{other} is never {value!r}")
        for value in domain.when.get(SYSTEM, ()):
            if value not in self.systems:
                raise Misfit(
                    ("space", name, "when", SYSTEM),
                    f"'{value}' is not among the systems{nearest(str(value), self.systems)}",
                )

    def _possible(self, name: str, value: Any) -> bool:
        """Return whether a parameter can have a value: one that is drawn, or is within its bounds."""
        if name == SYSTEM:
            return True
        if name in self._domains:
            return _within(self._domains[name], value)
        for system in self._owners(name):
            try:
                self._bounds[system][self._split(name)[1]].check(name, value)
            except ParamsError:
                continue
            return True
        return False

    def repeats(self, trials: int) -> str | None:
        """Return a sentence where there are fewer settings than trials."""
        there = self.distinct(trials)
        if there >= trials:
            return None
        settings = "1 setting" if there == 1 else f"{there:,} different settings"
        return f"the space has {settings} for {trials:,} trials: trials repeat settings, each under a seed of its own"

    def _sorted(self) -> list[str]:
        """Return the names of the space so that each stands behind those its condition asks for."""
        order: list[str] = []
        waiting = list(self._domains)
        while waiting:
            ready = [name for name in waiting if not any(other in waiting for other in self._domains[name].when)]
            if not ready:
                raise Misfit(("space", waiting[0], "when"), f"conditions run in a circle: {', '.join(waiting)}")
            order.extend(ready)
            waiting = [name for name in waiting if name not in ready]
        return order

    def _active(self, name: str, chosen: Params) -> bool:
        system = str(chosen.get(SYSTEM, self.systems[0]))
        if system not in self._owners(name):
            return False
        return all(self._value(other, system, chosen) in wanted for other, wanted in self._domains[name].when.items())

    def _value(self, name: str, system: str, chosen: Params) -> Any:
        if name == SYSTEM:
            return system
        if name in self._domains:
            return chosen.get(name, _NOTHING)
        if name in self._fixed:
            return self._fixed[name]
        bound = self._bounds[system].get(self._split(name)[1])
        return _NOTHING if bound is None else bound.default

    def _check_start(self, place: int, start: Params) -> None:
        system = start.get(SYSTEM, self.systems[0])
        if system not in self.systems:
            raise Misfit(
                ("start", place, SYSTEM), f"'{system}' is not among the systems{nearest(str(system), self.systems)}"
            )
        for name, value in start.items():
            if name == SYSTEM:
                continue
            if name not in self._domains:
                raise Misfit(("start", place, name), f"is not in space{nearest(name, self._domains)}")
            if not _within(self._domains[name], value):
                raise Misfit(("start", place, name), f"{value!r} lies outside of its range in space")


_NOTHING = object()


def _within(domain: Domain, value: Any) -> bool:
    """Return whether a setting to try first is one that could be drawn."""
    drawn = distribution(domain)
    if isinstance(drawn, CategoricalDistribution):
        return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in drawn.choices)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and domain.low <= value <= domain.high and drawn._contains(drawn.to_internal_repr(value))


def distribution(domain: Domain) -> BaseDistribution:
    """Return Optuna's distribution for a domain."""
    if domain.kind == "choice":
        return CategoricalDistribution(domain.choices)
    if domain.kind == "int":
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log, step=int(domain.step or 1))
    return FloatDistribution(domain.low, domain.high, log=domain.log, step=domain.step)


def _values(domain: Domain, most: int) -> Iterable[Any]:
    """Return the values of a domain, at least `most` of them where there are more."""
    if domain.kind == "choice":
        return domain.choices
    if domain.kind == "int":
        return range(int(domain.low), int(domain.high) + 1, int(domain.step or 1))
    if domain.step is None:
        return (domain.low + (domain.high - domain.low) * place / most for place in range(most))
    return (
        domain.low + domain.step * place for place in range(int((domain.high - domain.low) / domain.step + 1e-9) + 1)
    )


def _suggest(trial: BaseTrial, name: str, domain: BaseDistribution) -> Any:
    if isinstance(domain, CategoricalDistribution):
        return trial.suggest_categorical(name, domain.choices)
    if isinstance(domain, IntDistribution):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    assert isinstance(domain, FloatDistribution)
    return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
