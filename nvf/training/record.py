"""What one epoch of a trial gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from nvf.types import Diagnosis, Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One epoch of a trial. Epoch 0 is the untrained system.

    Attributes
    ----------
    epoch
        0, 1, 2, ...
    losses
        Part -> mean over the epoch's queries; empty where nothing was trained.
    figures
        Quality on dev.
    diagnoses
        The pathologies that show.
    held_out
        Part -> the loss on dev, comparable between epochs; empty where there is none.
    statistics
        What else the system says of itself: `System.inspect`.
    clock
        What depends on the machine: `seconds` of training, `seconds_evaluating`, and `latency_ms_p50` and
        `latency_ms_p95` of ranking one query.
    """

    epoch: int
    losses: Mapping[str, float]
    figures: Figures
    diagnoses: tuple[Diagnosis, ...] = ()
    held_out: Mapping[str, float] = field(default_factory=dict)
    statistics: Mapping[str, float] = field(default_factory=dict)
    clock: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain data; a number that is not finite becomes None, which JSON can hold.

        >>> Record(epoch=0, losses={"a": math.nan}, figures={}).to_json()["losses"]
        {'a': None}
        """
        plain: dict[str, Any] = _finite(asdict(self))
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the record that `to_json` wrote; None comes back as NaN."""
        return cls(
            epoch=plain["epoch"],
            losses=_numbers(plain["losses"]),
            figures={view: _numbers(values) for view, values in plain["figures"].items()},
            diagnoses=tuple(
                Diagnosis(
                    each["name"], **_numbers({key: each[key] for key in ("figure", "threshold")}), text=each["text"]
                )
                for each in plain["diagnoses"]
            ),
            held_out=_numbers(plain.get("held_out", {})),
            statistics=_numbers(plain.get("statistics", {})),
            clock=_numbers(plain["clock"]),
        )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in values.items()}
