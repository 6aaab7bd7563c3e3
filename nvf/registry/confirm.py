"""Confirming a sweep: its finalists are trained again over seeds, then judged once on the sealed test split.

What is trained is journaled as it ends, so a confirmation that is interrupted goes on where it was. The seal is opened,
and that is journaled, only when every training is in.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from nvf.errors import SweepError
from nvf.journal import folders
from nvf.journal.events import Event, Journal
from nvf.journal.replay import SweepState, TrialState, replay
from nvf.measures.significance import compare, holm
from nvf.registry.elsewhere import Elsewhere
from nvf.registry.finalists import Part, choose, objective, order, plan
from nvf.registry.judging import Judge, Judged, Trained
from nvf.registry.searched import snapshot_of
from nvf.sweep.orders import Report
from nvf.sweep.replicate import carry_out
from nvf.sweep.spec import Spec
from nvf.tasks.base import Task
from nvf.tracking.sync import sync

FOLDER = "confirmed"
"""Below a sweep's folder: the checkpoints of what was trained again."""
WINDOWS = "R@50"
"""Measured besides where queries are windows: the research notes' Contain@50."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Confirmation:
    """One confirmation as journaled so far.

    Attributes
    ----------
    number
        From 1.
    finalists, seeds
        What is confirmed, over how many seeds.
    replicates
        What has been trained: the `replicate` events by part, failed ones left out.
    opened
        Whether test has been opened for it.
    result
        What came out, or None.
    """

    number: int
    finalists: list[int]
    seeds: int
    replicates: dict[Part, Event] = field(default_factory=dict)
    opened: bool = False
    result: dict[str, Any] | None = None


def confirm(
    name: str,
    *,
    top: int = 3,
    seeds: int = 5,
    trials: Sequence[int] = (),
    address: str | None = None,
    say: Say = lambda line: None,
) -> dict[str, Any]:
    """Confirm the finalists of a sweep and return the result, as `nvf confirm --json` prints it.

    Parameters
    ----------
    name
        The sweep.
    top
        How many of the best settings on dev are finalists.
    seeds
        Over how many seeds each is trained again.
    trials
        Numbers of the finalists; where given, `top` does not matter.
    address
        A running Ray cluster, or None.
    say
        Told of each step in a line.

    Raises
    ------
    SweepError
        Where the sweep is running, has nothing to confirm, or a training failed.
    TaskError
        Where the task is not the one that the sweep searched.
    Interrupted, KeyboardInterrupt
        Where a signal ended it; the same call goes on.
    """
    folder = folders.find(name)
    if folders.running(folder):
        raise SweepError(f"sweep '{name}' is running: confirm it when it has ended (or nvf stop {name})")
    journal, events = Journal.open(folder)
    with journal:
        state = replay(events)
        finalists = choose(state, top, trials)
        snapshot, task = snapshot_of(events, state)
        current = _begin(journal, events, [trial.number for trial in finalists], seeds, say)
        parts = plan(state, finalists, seeds)
        _train(journal, state, current, parts, snapshot, address, say)
        times = _open_test(journal, events, current)
        say(f"test: opened for the {_nth(times)} time by this sweep; judging")
        result = _judge(state, task, current, finalists, times)
        journal.append("confirmed", sync=True, confirmation=current.number, result=result)
        _tidy(folder, current, result)
    sync(folder)
    return result


def confirmations(events: Sequence[Event]) -> list[Confirmation]:
    """Return the confirmations of a sweep as journaled, in order."""
    found: list[Confirmation] = []
    for event in events:
        match event["kind"]:
            case "confirmation_started":
                found.append(Confirmation(event["confirmation"], event["finalists"], event["seeds"]))
            case "replicate" if event["error"] is None:
                found[-1].replicates[Part(**event["part"])] = event
            case "test_opened":
                found[-1].opened = True
            case "confirmed":
                found[-1].result = event["result"]
    return found


def _begin(journal: Journal, events: list[Event], finalists: list[int], seeds: int, say: Say) -> Confirmation:
    """Return the confirmation to go on with: the last one where it is unfinished and the same, else a new one."""
    known = confirmations(events)
    last = known[-1] if known else None
    if last is not None and last.result is None and (last.finalists, last.seeds) == (finalists, seeds):
        say(f"confirmation {last.number}: going on, {len(last.replicates)} trainings are in")
        return last
    number = len(known) + 1
    clock = {"host": platform.node(), "pid": os.getpid()}
    journal.append(
        "confirmation_started", sync=True, confirmation=number, finalists=finalists, seeds=seeds, clock=clock
    )
    return Confirmation(number, finalists, seeds)


def _train(
    journal: Journal,
    state: SweepState,
    current: Confirmation,
    parts: Sequence[Part],
    snapshot: Path,
    address: str | None,
    say: Say,
) -> None:
    """Train what is not in yet and journal it; raises where a training failed or a signal came."""
    place = journal.path.parent / FOLDER / str(current.number)
    left = [part for part in parts if part not in current.replicates]
    failed: list[tuple[Part, str]] = []
    if not left:
        return

    def done(at: int, reports: list[Report]) -> None:
        part, last = left[at], reports[-1]
        fields: dict[str, Any] = {"record": None, "checkpoint": None, "error": last.error}
        if last.error is None:
            fields |= _best(state, part, reports, journal.path.parent)
        else:
            failed.append((part, last.error))
        event = journal.append("replicate", sync=True, confirmation=current.number, part=part.to_json(), **fields)
        if last.error is None:
            current.replicates[part] = event
        say(
            f"trained {len(current.replicates)}/{len(parts)}: trial {part.trial:04d}, seed {part.place}"
            f"{', a share withheld' if part.withheld else ''}"
        )

    if not carry_out([order(part, state, snapshot, place) for part in left], done, address=address, say=say):
        raise KeyboardInterrupt
    if failed:
        part, error = failed[0]
        raise SweepError(
            f"{len(failed)} of {len(parts)} trainings failed, so test stays sealed; trial {part.trial:04d}, seed "
            f"{part.place}: {error.strip().splitlines()[-1]}. The same command trains only what failed"
        )


def _best(state: SweepState, part: Part, reports: Sequence[Report], folder: Path) -> dict[str, Any]:
    """Return the best record on dev by the journal's rule, and its checkpoint, seen from the sweep's folder."""
    by = objective(state, withheld=part.withheld)
    records = [report.record for report in reports if report.record is not None]
    trial = TrialState(part.trial, "", {}, {}, {}, part.seed, len(records), records=records)
    best = trial.best(by) or records[-1]
    published = reports[best["epoch"]].checkpoint
    assert published is not None, "a record comes with its checkpoint"
    where = Path(published["folder"]).relative_to(folder).as_posix()
    return {"record": best, "checkpoint": {**published, "folder": where}}


def _open_test(journal: Journal, events: Sequence[Event], current: Confirmation) -> int:
    """Journal the opening of test, once for each confirmation, and return how often it has been opened."""
    times = [event["kind"] for event in events].count("test_opened")
    if current.opened:
        return times
    times += 1
    journal.append(
        "test_opened", sync=True, confirmation=current.number, times=times, finalists=current.finalists, clock={}
    )
    return times


def _judge(
    state: SweepState, task: Task, current: Confirmation, finalists: Sequence[TrialState], times: int
) -> dict[str, Any]:
    """Return the result; see `confirm`."""
    spec = Spec.model_validate(state.spec)
    measures = [*spec.measures(), *([WINDOWS] if task.split("test").queries.vectors.ndim == 3 else [])]
    folder = folders.find(state.name)
    trained = {trial.number: _trained(folder, current, trial.number) for trial in finalists}
    judge = Judge(task, measures, spec.cold)
    draws = [each.cold_seed for each in trained[finalists[0].number][1] if each.cold_seed is not None]
    floors = judge.floors(draws)
    judged = {trial.number: judge.finalist(*trained[trial.number]) for trial in finalists}
    measure = _measure(state)
    against = _against(judged, floors, measure, state.name, current.number)
    rows = []
    for trial in finalists:
        row = _finalist(state, current, trial, judged[trial.number], measure)
        rows.append({**row, "against": against[trial.number]})
    result = {
        "sweep": state.name,
        "measure": str(state.objectives[0]),
        "split": "test",
        "task": task.name,
        "confirmation": current.number,
        "opened": times,
        "seeds": current.seeds,
        "cold": spec.cold,
        "queries": judge.queries,
        "floors": {name: each.figures for name, each in floors.items()},
        "withheld_floors": {name: each.withheld for name, each in floors.items()},
        "stability": _stability(rows),
        "finalists": rows,
        "leaks": [leak for leak in state.started["task"]["leaks"] if leak["split"] == "test"],
    }
    if spec.evaluate:
        full = {number: parts[0] for number, parts in trained.items()}
        result["evaluate"] = Elsewhere(task, spec.evaluate, measures).judge(full, measure)
    return result


def _trained(folder: Path, current: Confirmation, trial: int) -> tuple[list[Trained], list[Trained]]:
    """Return the replicates of a finalist: on all judgements, and with a share withheld."""
    found: tuple[list[Trained], list[Trained]] = ([], [])
    for part, event in sorted(current.replicates.items(), key=lambda pair: pair[0].place):
        if part.trial == trial:
            at = event["checkpoint"]
            found[part.withheld].append(Trained(folder / at["folder"], at["digest"], part.cold_seed))
    return found


def _measure(state: SweepState) -> str:
    """Return the measure that is compared: the sweep's first one, whatever its view."""
    return next((each.name for each in state.objectives if each.view), "nDCG@10")


def _against(
    judged: dict[int, Judged], floors: dict[str, Judged], measure: str, *seed: int | str
) -> dict[int, dict[str, Any]]:
    """Return each finalist's comparisons: floor -> {difference, low, high, p over all queries, and the same by view}.

    p is adjusted for there being several finalists (Holm), for each floor and view by itself.
    """
    found: dict[int, dict[str, Any]] = {number: {} for number in judged}
    for name, floor in floors.items():
        for view, by_measure in floor.table.items():
            theirs = by_measure[measure]
            compared = {}
            for number, own in judged.items():
                ours = own.table[view][measure]
                both = ~np.isnan(ours) & ~np.isnan(theirs)
                compared[number] = compare(ours[both], theirs[both], *seed, name, view, number)
            adjusted = holm([each.p for each in compared.values()])
            for (number, each), p in zip(compared.items(), adjusted, strict=True):
                line = {**asdict(each), "p": p}
                found[number].setdefault(name, {}).update(line if view == "all" else {}, **{view: line})
    return found


def _finalist(
    state: SweepState, current: Confirmation, trial: TrialState, judged: Judged, measure: str
) -> dict[str, Any]:
    """Return what is said of one finalist, but for its comparisons."""
    full = _replicates(current, trial.number, withheld=False)
    withheld = _replicates(current, trial.number, withheld=True)
    by, own = objective(state, withheld=False), objective(state, withheld=True)
    values = [by.of(each["record"]) for each in full]
    as_searched = [own.of(each["record"]) for each in withheld] or values
    searched = trial.best(state.objectives[0])
    dev = spread(as_searched)
    test = judged.figures["all"][measure]
    middle = sorted(range(len(full)), key=lambda place: (values[place] or 0.0, place))[(len(full) - 1) // 2]
    champion = full[middle]
    return {
        "trial": trial.number,
        "system": trial.system,
        "params": trial.chosen,
        "settings": trial.params,
        "seeds": len(full),
        "dev": dev,
        "dev_all_judgements": spread(values),
        "test": judged.figures,
        "withheld": {"draws": len(judged.withheld), "figures": judged.withheld},
        "gap": {
            "search_dev": None if searched is None else state.objectives[0].of(searched),
            "replicates_dev": dev["mean"],
            "test": test,
        },
        "latency_ms_p95": float(np.median([each["record"]["clock"]["latency_ms_p95"] for each in full])),
        "diagnoses": sorted({found["name"] for each in full + withheld for found in each["record"]["diagnoses"]}),
        "champion": {
            "seed": champion["part"]["seed"],
            "place": champion["part"]["place"],
            "record": champion["record"],
            "checkpoint": champion["checkpoint"],
        },
    }


def _replicates(current: Confirmation, trial: int, *, withheld: bool) -> list[Event]:
    return [
        event
        for part, event in sorted(current.replicates.items(), key=lambda pair: pair[0].place)
        if (part.trial, part.withheld) == (trial, withheld)
    ]


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return mean and standard deviation (over n - 1; None of a single value) of what is there.

    >>> spread([0.25, 0.75])["mean"]
    0.5
    """
    there = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(there)) if there else None,
        "sd": float(np.std(there, ddof=1)) if len(there) > 1 else None,
        "values": list(values),
    }


def _stability(rows: Sequence[dict[str, Any]]) -> float | None:
    """Return how far the order of the finalists on dev is the same for every seed: mean Kendall tau to the order of
    their means, 1 where each seed orders them alike. None where there is nothing to order."""
    values = np.array([row["dev"]["values"] for row in rows if None not in row["dev"]["values"]], dtype=float)
    if values.ndim < 2 or min(values.shape) < 2:
        return None
    taus = [stats.kendalltau(values[:, seed], values.mean(1)).statistic for seed in range(values.shape[1])]
    return float(np.mean(taus)) if np.isfinite(taus).all() else None


def _tidy(folder: Path, current: Confirmation, result: dict[str, Any]) -> None:
    """Delete the checkpoints that nobody needs any more: all but the finalists' champions."""
    keep = {row["champion"]["checkpoint"]["folder"] for row in result["finalists"]}
    for event in current.replicates.values():
        if event["checkpoint"]["folder"] not in keep:
            shutil.rmtree(folder / event["checkpoint"]["folder"], ignore_errors=True)


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
