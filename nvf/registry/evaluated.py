"""What is known of a candidate's quality, as Markdown: the middle of its model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nvf.journal import cold
from nvf.journal.result import OnTasks, OnTasksOf, OverDraws, Transferred, both_ways
from nvf.measures.comparison import Comparison, probability
from nvf.measures.parse import VIEWS
from nvf.registry.candidates import Candidate
from nvf.registry.gates import RAW
from nvf.systems import SYSTEMS
from nvf.text import number, table
from nvf.types import Figures

NEW_DOCUMENTS = {
    "better": "it finds them better",
    "worse": "**it buries them**: train it again as documents come in, or rank them by the raw vectors",
    "undecided": "neither is shown to find them better",
}


def measured(candidate: Candidate) -> tuple[str, Figures, Mapping[str, Figures]]:
    """Return the split, the figures on it, and those of the floors: test where it was confirmed, else dev."""
    if candidate.test is None or candidate.result is None:
        return "dev", candidate.record.figures, candidate.state.floors
    return "test", candidate.test, candidate.result.floors


def _own(candidate: Candidate) -> Iterator[tuple[str, Figures]]:
    """Yield what is served with its figures, and the mean over the trainings where that is another."""
    name, figures = f"**{candidate.trial.system}**", measured(candidate)[1]
    if candidate.mean is None or candidate.row is None:
        yield name, figures
        return
    yield f"{name}, this checkpoint", {view: by for view, by in figures.items() if view != "cold"}
    yield f"mean of {candidate.row.seeds} trainings", candidate.mean


def head_figures(candidate: Candidate) -> str:
    """Return the first measure, in every view, beside the floors."""
    split, figures, floors = measured(candidate)
    measure, views = candidate.state.compared, [view for view in VIEWS if view in figures]
    rows = [
        (name, *(number(of.get(view, {}).get(measure)) for view in views))
        for name, of in (*_own(candidate), *_champion(candidate), *floors.items())
    ]
    return table((f"{measure} on {split}", *views), rows)


def _champion(candidate: Candidate) -> Iterator[tuple[str, Figures]]:
    """Yield the version that reigned when it was confirmed, with its figures on test, where there was one."""
    reigned = None if candidate.row is None or candidate.result is None else candidate.result.champion
    if reigned is not None:
        yield f"`{reigned.name}`", reigned.figures


def results(candidate: Candidate) -> str:
    """Return every figure by view, the paired comparisons, the winner's curse, and what it does elsewhere."""
    parts = [*_figures(candidate), *_compared(candidate), *_withheld(candidate), _curse(candidate)]
    return "\n\n".join([*parts, *_elsewhere(candidate)])


def new_documents(candidate: Candidate) -> str:
    """Return what the cold figure says of documents that nobody has judged yet."""
    measure, (split, figures, floors) = candidate.state.compared, measured(candidate)
    if "cold" not in figures:
        return (
            "**New documents:** nothing was withheld, so what becomes of documents that nobody has judged is unknown."
        )
    said = f"**New documents** are found with {measure} {figures['cold'][measure]:.4f} on {split}"
    if candidate.outdated_cold:
        return f"{said}; {cold.again(candidate.state.name)}."
    line = None if candidate.row is None else candidate.row.against.get(RAW, {}).get("cold")
    if line is not None:
        return f"{said}, {line} against the raw vectors: {NEW_DOCUMENTS[line.outcome()]}."
    raw = floors.get(RAW, {}).get("cold", {}).get(measure)
    return f"{said}; by the raw vectors with {number(raw)}."


def other_corpora(candidate: Candidate) -> str:
    """Return what is known of it on corpora that it was not trained on."""
    if not SYSTEMS[candidate.trial.system].transfers:
        return "**Other corpora:** what it learned is about the documents of this one; another needs another training."
    said = "**Other corpora** of the same encoder can be ranked, for it learned nothing about single documents"
    found, own = _judged_elsewhere(candidate)
    if found is None or own is None or RAW not in own.against:
        return f"{said}; how well was not measured."
    line, tasks = own.against[RAW], ", ".join(found.tasks)
    return f"{said}: on average over {tasks} it is {line} against the raw vectors, {line.outcome()}."


def _judged_elsewhere(candidate: Candidate) -> tuple[Transferred | None, OnTasksOf | None]:
    """Return what the tasks of `evaluate` gave, and the candidate's part in it; None where there are none."""
    found = None if candidate.row is None or candidate.result is None else candidate.result.evaluate
    rows = [] if found is None else found.finalists
    return found, next((row for row in rows if row.trial == candidate.trial.number), None)


def _figures(candidate: Candidate) -> Iterator[str]:
    split, figures, floors = measured(candidate)
    others = {**dict(_champion(candidate)), **floors}
    result = candidate.result if candidate.row is not None else None
    ceilings = candidate.state.ceilings if result is None else result.ceilings
    queries = candidate.state.started.task.queries.get("dev", {}) if result is None else result.queries
    for view, own in figures.items():
        rows = [
            (name, *(number(of.get(view, {}).get(measure)) for measure in own))
            for name, of in (*_own(candidate), *others.items(), *ceilings.items())
            if view in of or name in others
        ]
        yield table((f"{split}, {view} ({queries.get(view, '?')} queries)", *own), rows)


def _compared(candidate: Candidate) -> Iterator[str]:
    if candidate.row is None or candidate.result is None:
        yield "It was not confirmed, so nothing is compared query by query."
        return
    others = {name: candidate.row.against_champion or {} for name, _ in _champion(candidate)}
    lines = [
        (name, view, by_view[view])
        for name, by_view in {**others, **candidate.row.against}.items()
        for view in VIEWS
        if view in by_view
    ]
    lines += _finalists(candidate)
    rows = [(name, view, of.queries, of.seeds, of, probability(of.p), of.outcome()) for name, view, of in lines]
    measure, finalists = candidate.result.compared, len(candidate.result.finalists)
    difference = f"{measure}, difference [95 % interval]"
    yield table(("against", "view", "queries", "trainings", difference, "p", "it is"), rows)
    adjusted = f" p is adjusted for {finalists} finalists (Holm)." if finalists > 1 else ""
    yield (
        "Paired over the queries, and over the trainings where there are several: interval and p then speak of other "
        f"queries like these and of other seeds, else of other queries alone.{adjusted}"
    )


def _finalists(candidate: Candidate) -> Iterator[tuple[str, str, Comparison]]:
    """Yield name, view and comparison for the other finalists; none in a confirmation of an older nvf."""
    assert candidate.result is not None, "it was confirmed"
    systems = {row.trial: row.system for row in candidate.result.finalists}
    for one, other, by_view in both_ways(candidate.result.pairwise):
        if one == candidate.trial.number:
            for view, line in by_view.items():
                yield f"trial {other:04d} ({systems[other]})", view, line


def _withheld(candidate: Candidate) -> Iterator[str]:
    """Yield both figures of the trainings with a share withheld, beside the floors' on the very same draws."""
    if candidate.row is None or candidate.result is None or "cold" not in candidate.row.withheld.mean:
        return
    measure = candidate.result.compared

    def cells(of: OverDraws) -> list[str]:
        return [f"{of.mean[view][measure]:.4f} ± {number(of.sd[view][measure])}" for view in ("all", "cold")]

    several = {f"**{candidate.trial.system}**": candidate.row.withheld, **candidate.result.withheld_floors}
    share, draws = candidate.result.cold, candidate.row.withheld.draws
    yield table(
        (f"test, {share:.0%} withheld, {draws} draws", f"all {measure}", f"cold {measure}"),
        [(name, *cells(of)) for name, of in several.items()],
    )


def _curse(candidate: Candidate) -> str:
    head = "**The winner's curse.**"
    if candidate.row is None or candidate.result is None:
        trials = sum(bool(trial.records) for trial in candidate.state.trials.values())
        return f"{head} Unknown: its figures are the best of {trials} trials on the very split that chose them."
    gap = candidate.row.gap
    return (
        f"{head} {candidate.result.measure}: {number(gap.search_dev)} on dev in the search, "
        f"{number(gap.replicates_dev)} on dev when trained again, {number(gap.test)} on test."
    )


def _elsewhere(candidate: Candidate) -> Iterator[str]:
    """Yield the figures on the tasks of `evaluate`, of which nothing was trained."""
    found, own = _judged_elsewhere(candidate)
    if found is None or own is None:
        return
    measure = candidate.state.compared
    several: dict[str, OnTasks | OnTasksOf] = {f"**{candidate.trial.system}**": own, **found.floors}
    rows = [
        (name, *(number(each["all"][measure]) for each in of.figures), number(of.average["all"][measure]))
        for name, of in several.items()
    ]
    yield table((f"{measure} elsewhere, all queries", *found.tasks, "average"), rows)
