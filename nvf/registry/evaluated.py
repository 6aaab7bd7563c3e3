"""What is known of a candidate's quality, as Markdown: the middle of its model card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nvf.measures.comparison import Comparison
from nvf.measures.parse import VIEWS
from nvf.registry.candidates import Candidate
from nvf.registry.findings import measure_of
from nvf.registry.gates import RAW
from nvf.registry.markdown import difference, number, table
from nvf.systems import SYSTEMS
from nvf.types import Figures

NEW_DOCUMENTS = {
    "better": "it finds them better",
    "worse": "**it buries them**: train it again as documents come in, or rank them by the raw vectors",
    "undecided": "neither is shown to find them better",
}


def measured(candidate: Candidate) -> tuple[str, Figures, Mapping[str, Figures]]:
    """Return the split, the figures on it, and those of the floors: test where it was confirmed, else dev."""
    if candidate.row is None or candidate.result is None:
        return "dev", candidate.record["figures"], candidate.state.floors
    return "test", candidate.row["test"], candidate.result["floors"]


def head_figures(candidate: Candidate) -> str:
    """Return the first measure, in every view, beside the floors."""
    split, figures, floors = measured(candidate)
    measure, views = measure_of(candidate.state), [view for view in VIEWS if view in figures]
    rows = [
        (name, *(number(of.get(view, {}).get(measure)) for view in views))
        for name, of in ((f"**{candidate.trial.system}**", figures), *_champion(candidate), *floors.items())
    ]
    return table((f"{measure} on {split}", *views), rows)


def _champion(candidate: Candidate) -> Iterator[tuple[str, Figures]]:
    """Yield the version that reigned when it was confirmed, with its figures on test, where there was one."""
    reigned = (candidate.result or {}).get("champion")
    if candidate.row is not None and reigned is not None:
        yield f"`{reigned['name']}`", reigned["figures"]


def results(candidate: Candidate) -> str:
    """Return every figure by view, the paired comparisons, the winner's curse, and what it does elsewhere."""
    parts = [*_figures(candidate), *_compared(candidate), *_withheld(candidate), _curse(candidate)]
    return "\n\n".join([*parts, *_elsewhere(candidate)])


def new_documents(candidate: Candidate) -> str:
    """Return what the cold figure says of documents that nobody has judged yet."""
    measure, (split, figures, floors) = measure_of(candidate.state), measured(candidate)
    if "cold" not in figures:
        return (
            "**New documents:** nothing was withheld, so what becomes of documents that nobody has judged is unknown."
        )
    said = f"**New documents** are found with {measure} {figures['cold'][measure]:.4f} on {split}"
    line = (candidate.row or {}).get("against", {}).get(RAW, {}).get("cold")
    if line is not None:
        return f"{said}, {difference(line)} against the raw vectors: {NEW_DOCUMENTS[Comparison.of(line).outcome()]}."
    raw = floors.get(RAW, {}).get("cold", {}).get(measure)
    return f"{said}; by the raw vectors with {number(raw)}."


def other_corpora(candidate: Candidate) -> str:
    """Return what is known of it on corpora that it was not trained on."""
    if not SYSTEMS[candidate.trial.system].transfers:
        return "**Other corpora:** what it learned is about the documents of this one; another needs another training."
    said = "**Other corpora** of the same encoder can be ranked, for it learned nothing about single documents"
    found, own = _judged_elsewhere(candidate)
    line = own.get("against", {}).get(RAW)
    if line is None:
        return f"{said}; how well was not measured."
    return (
        f"{said}: on average over {', '.join(found['tasks'])} it is {difference(line)} against the raw vectors, "
        f"{Comparison.of(line).outcome()}."
    )


def _judged_elsewhere(candidate: Candidate) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return what the tasks of `evaluate` gave, and the candidate's part in it; both empty where there are none."""
    found: Mapping[str, Any] = (candidate.result or {}).get("evaluate", {})
    rows = found.get("finalists", []) if candidate.row is not None else []
    return found, next((row for row in rows if row["trial"] == candidate.trial.number), {})


def _figures(candidate: Candidate) -> Iterator[str]:
    split, figures, floors = measured(candidate)
    others = {**dict(_champion(candidate)), **floors}
    result = candidate.result if candidate.row is not None else None
    ceilings = candidate.state.ceilings if result is None else result["ceilings"]
    queries = candidate.state.started["task"]["queries"].get("dev", {}) if result is None else result["queries"]
    for view, own in figures.items():
        rows = [
            (name, *(number(of.get(view, {}).get(measure)) for measure in own))
            for name, of in ((f"**{candidate.trial.system}**", figures), *others.items(), *ceilings.items())
        ]
        yield table((f"{split}, {view} ({queries.get(view, '?')} queries)", *own), rows)


def _compared(candidate: Candidate) -> Iterator[str]:
    if candidate.row is None or candidate.result is None:
        yield "It was not confirmed, so nothing is compared query by query."
        return
    others = {name: candidate.row["against_champion"] for name, _ in _champion(candidate)}
    rows = [
        (name, view, line["queries"], difference(line), f"{line['p']:.2g}", Comparison.of(line).outcome())
        for name, lines in {**others, **candidate.row["against"]}.items()
        for view, line in ((view, lines[view]) for view in VIEWS if view in lines)
    ]
    measure, finalists = candidate.result["compared"], len(candidate.result["finalists"])
    yield table(("against", "view", "queries", f"{measure}, difference [95 % interval]", "p", "it is"), rows)
    adjusted = f", adjusted for {finalists} finalists (Holm)" if finalists > 1 else ""
    yield f"Paired over the queries; p by randomisation of the signs{adjusted}."


def _withheld(candidate: Candidate) -> Iterator[str]:
    """Yield both figures of the trainings with a share withheld, beside the floors' on the very same draws."""
    if candidate.row is None or candidate.result is None or "cold" not in candidate.row["withheld"]["mean"]:
        return
    measure = candidate.result["compared"]

    def cells(of: Mapping[str, Any]) -> list[str]:
        return [f"{of['mean'][view][measure]:.4f} ± {number(of['sd'][view][measure])}" for view in ("all", "cold")]

    several = {f"**{candidate.trial.system}**": candidate.row["withheld"], **candidate.result["withheld_floors"]}
    share, draws = candidate.result["cold"], candidate.row["withheld"]["draws"]
    yield table(
        (f"test, {share:.0%} withheld, {draws} draws", f"all {measure}", f"cold {measure}"),
        [(name, *cells(of)) for name, of in several.items()],
    )


def _curse(candidate: Candidate) -> str:
    head = "**The winner's curse.**"
    if candidate.row is None or candidate.result is None:
        trials = sum(bool(trial.records) for trial in candidate.state.trials.values())
        return f"{head} Unknown: its figures are the best of {trials} trials on the very split that chose them."
    gap = candidate.row["gap"]
    return (
        f"{head} {candidate.result['measure']}: {number(gap['search_dev'])} on dev in the search, "
        f"{number(gap['replicates_dev'])} on dev when trained again, {number(gap['test'])} on test."
    )


def _elsewhere(candidate: Candidate) -> Iterator[str]:
    """Yield the figures on the tasks of `evaluate`, of which nothing was trained."""
    found, own = _judged_elsewhere(candidate)
    if not own:
        return
    measure = measure_of(candidate.state)
    rows = [
        (name, *(number(each["all"][measure]) for each in of["figures"]), number(of["average"]["all"][measure]))
        for name, of in ((f"**{candidate.trial.system}**", own), *found["floors"].items())
    ]
    yield table((f"{measure} elsewhere, all queries", *found["tasks"], "average"), rows)
