"""What to run next, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nvf.journal.kinds import Event, RecordTaken
from nvf.journal.replay import replay
from nvf.registry.next_steps import Advice, lines, next_steps
from tests.journal.written import event

TASK = {"queries": {}, "leaks": [], "notes": [], "fingerprint": "f00d", "encoder": "minilm"}
SPEC = {"name": "small", "task": {"source": "synthetic"}, "system": "linear"}
WON = {"queries": 50, "difference": 0.05, "low": 0.02, "high": 0.08, "p": 0.001}
LOST = {"queries": 50, "difference": -0.05, "low": -0.08, "high": -0.02, "p": 0.001}


def sweep(*values: float | None, floors: dict[str, float] | None = None, epochs: int = 3, **spec: Any) -> list[Event]:
    """A sweep with a trial for each of these figures on dev; it has not ended."""
    figures = {name: {"all": {"nDCG@10": value}} for name, value in (floors or {"raw": 0.3}).items()}
    events = [
        event("sweep_started", sweep="small", objectives=["nDCG@10"], task=TASK, spec={**SPEC, **spec}),
        event("floors", floors=figures, ceilings={}),
    ]
    for number, value in enumerate(values):
        events += trial(number, value, epochs)
    return events


def trial(number: int, value: float | None, epochs: int = 3) -> list[Event]:
    names = {"system": "linear", "params": {}, "chosen": {}, "distributions": {}, "seed": 0, "epochs": epochs}
    figures = {} if value is None else {"all": {"nDCG@10": value}}
    record = {"epoch": 1, "figures": figures}
    outcome = {"outcome": "failed" if value is None else "complete", "error": None}
    return [
        event("trial_started", trial=number, **names),
        event("record", trial=number, record=record, decision="complete", attrs={}, checkpoint=None),
        event("trial_ended", trial=number, **outcome),
    ]


def confirmed(*numbers: int, against: dict[str, Any] = WON, diagnoses: tuple[Any, ...] = ()) -> list[Event]:
    """A confirmation of these finalists, the first the best on dev."""
    rows = [
        {
            "trial": number,
            "dev": {"mean": 0.5 - place / 10},
            "against": {"raw": {"all": against, "clean": against}},
            "champion": {"record": {"diagnoses": list(diagnoses)}, "bytes": 1000},
        }
        for place, number in enumerate(numbers)
    ]
    result = {"finalists": rows, "floors": {"raw": {}}}
    return [*begun(*numbers), event("confirmed", confirmation=1, result=result)]


def begun(*numbers: int) -> list[Event]:
    return [event("confirmation_started", confirmation=1, finalists=list(numbers), seeds=3)]


def promoted(alias: str = "champion") -> Event:
    return event("promoted", trial=0, model="other", version=1, alias=alias, forced=None)


ENDED = event("sweep_ended", reason="trials")


def paused(reason: str, error: str | None = None) -> Event:
    return event("sweep_paused", reason=reason, error=error)


def told(*parts: Any, running: bool = False) -> Advice:
    flat = [each for part in parts for each in (part if isinstance(part, list) else [part])]
    events = [replace(each, n=number) for number, each in enumerate(flat)]
    return next_steps(replay(events), running=running)


def commands(advice: Advice) -> list[str]:
    return [step.command for step in advice.steps]


CONFIRM, PROMOTE, MORE = "nvf confirm small", "nvf promote small", "nvf resume small --trials 4"
ASK = ['nvf search "how do I ..." --model models:/other@champion', "nvf card other"]
FORCE = "nvf promote small --force 'why'"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([sweep(0.5, 0.4), ENDED], [CONFIRM, MORE]),
        ([sweep(0.5, 0.4), paused("time")], [CONFIRM, "nvf resume small --time 30m"]),
        ([sweep(0.5, 0.4), paused("interrupt")], ["nvf resume small"]),
        ([sweep(0.5, 0.4), paused("room", "the disk is full")], ["nvf resume small"]),
        ([sweep(0.5, 0.4)], ["nvf resume small"]),  # its driver died
        ([sweep(None, None), ENDED], ["nvf sweep SPEC --name small-2"]),
        ([sweep(), ENDED], ["nvf sweep SPEC --name small-2"]),
        ([sweep(0.2, 0.1), ENDED], [MORE]),
        ([sweep(0.3, 0.1), ENDED], [MORE]),  # as good as the floor is not better
        ([sweep(0.2, 0.1, epochs=1), ENDED], ["nvf sweep SPEC --name small-2 --set budget.epochs=2", MORE]),
        (
            [sweep(0.2, 0.1, floors={"raw": 0.1, "bm25": 0.3}), ENDED],
            ["system: fused in the sweep file, under another name; see nvf systems", MORE],
        ),
        (
            [sweep(0.2, 0.1, floors={"bm25": 0.3}, system={"choice": ["fused", "linear"]}), ENDED],
            [MORE],  # it is searched already, though no trial drew it
        ),
        ([sweep(1.0, 0.4, floors={"raw": 1.0}), ENDED], []),
        ([sweep(0.5, 0.4), ENDED, begun(1, 0)], ["nvf confirm small --seeds 3 --trial 1 --trial 0"]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0)], [PROMOTE, MORE]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0, against=LOST)], [MORE, FORCE]),
        ([sweep(0.5, 0.4, gates={"floors": False}), ENDED, confirmed(0, against=LOST)], [PROMOTE, MORE]),
        ([sweep(0.5, 0.4, gates={"bytes": 999}), ENDED, confirmed(0)], [MORE, FORCE]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0), promoted()], [*ASK, MORE]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0), promoted("candidate")], [PROMOTE, MORE]),
        ([sweep(0.5, 0.4), ENDED, promoted()], [*ASK, CONFIRM, MORE]),  # by force
        ([sweep(0.2, 0.1), ENDED, promoted()], [*ASK, MORE]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0), promoted(), confirmed(1)], [PROMOTE, MORE]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0), promoted(), trial(2, 0.6)], [CONFIRM, *ASK]),
        ([sweep(0.5, 0.4), ENDED, confirmed(0), trial(2, 0.45)], [PROMOTE, "nvf resume small --trials 6"]),
        ([sweep(0.5, 0.4), ENDED, confirmed(1)], [PROMOTE, MORE]),  # the better one was left out on purpose
    ],
)
def test_what_to_run_next(parts: list[Any], expected: list[str]) -> None:
    assert commands(told(*parts)) == expected


def test_while_somebody_is_at_work_nothing_else_is_proposed() -> None:
    assert commands(told(sweep(0.5, 0.4), running=True)) == ["nvf status small", "nvf stop small"]
    assert commands(told(sweep(0.5), ENDED, begun(0), running=True)) == ["nvf status small"]


def test_a_refusal_says_which_gate_and_how_far() -> None:
    collapsed = {"name": "embedding_collapse", "figure": 0.95, "threshold": 0.9, "text": "alike"}
    advice = told(sweep(0.5), ENDED, confirmed(0, against=LOST, diagnoses=(collapsed,)))
    assert advice.why == [
        "trial 0000 would not be promoted:",
        "  floors     worse      -0.0500 [-0.0800, -0.0200] against raw, clean nDCG@10, 50 queries",
        "  diagnoses  refused    its record shows embedding_collapse (0.95, threshold 0.9)",
    ]


def test_why_is_said() -> None:
    assert told(sweep(0.2), ENDED).why == ["nothing to confirm or promote yet: no trial beats the floor raw on dev"]
    assert told(sweep(1.0, floors={"raw": 1.0}), ENDED).why == [
        "nothing to confirm or promote yet: no trial beats the floor raw on dev",
        "that floor is perfect there: more dev queries, or harder ones, would tell",
    ]
    assert told(sweep(0.5), paused("room", "the disk is full")).why == [
        "stopped: the disk is full; when that is mended:"
    ]
    assert told(sweep(0.5)).why == ["its driver died"]
    assert told(sweep(0.5), ENDED).why == []


def test_a_confirmation_by_an_older_nvf_is_made_again() -> None:
    old = event("confirmed", confirmation=1, result={"older": True})
    assert commands(told(sweep(0.5, 0.4), ENDED, begun(0), old)) == [CONFIRM, MORE]


def test_a_latency_has_no_floor_to_beat() -> None:
    def slow(of: Event) -> Event:
        clock = {"latency_ms_p95": 2.0}
        return replace(of, record=replace(of.record, clock=clock)) if isinstance(of, RecordTaken) else of

    first, *others = sweep(0.5, 0.4)
    assert commands(told(replace(first, objectives=["latency_ms_p95"]), *map(slow, others), ENDED)) == [CONFIRM, MORE]


def test_a_champion_over_bare_vectors_cannot_be_asked_in_words() -> None:
    first, *others = sweep(0.5, 0.4)
    bare = replace(first, task=replace(first.task, encoder=None))
    assert commands(told(bare, others, ENDED, confirmed(0), promoted())) == ["nvf card other", MORE]


def test_code_of_one_s_own_is_allowed_again_and_needs_a_package_to_be_confirmed() -> None:
    mine = {"system": ["mine:Poly", "linear"]}
    advice = told(sweep(0.5, 0.4, **mine), ENDED)
    assert advice.why == ["to confirm it, make a package of mine:Poly: docs/extending.md"]
    assert commands(advice) == ["nvf resume small --allow mine:Poly --trials 4"]
    assert commands(told(sweep(0.5, **mine))) == ["nvf resume small --allow mine:Poly"]


def test_every_line_fits_80_columns() -> None:
    shown = lines(told(sweep(0.2, 0.1, floors={"bm25": 0.3}, epochs=1), ENDED).steps)
    assert all(len(line) <= 80 for line in shown), shown
