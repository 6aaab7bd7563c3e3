"""What a finalist must show on test before it may become the champion: one small function for each gate.

A gate reads what `nvf confirm` found and what the sweep file's `gates:` asks for. It opens nothing: test was judged
once, by the confirmation. A difference is judged by its 95 % interval and its p (`Comparison.outcome`), which may not
decide; then the gate says about how many queries would, in four of five repetitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from nvf.errors import GateRefused
from nvf.journal import cold as rules
from nvf.journal.result import ConfirmationResult, Finalist
from nvf.measures.comparison import Comparison, probability
from nvf.registry.named import ALIAS
from nvf.spec.form import Gates
from nvf.text import number

RAW = "raw"
"""The floor that the cold gate looks at: what a new document had before anything was learned."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says.

    Attributes
    ----------
    gate
        floors, cold, champion, diagnoses, leaks, gain, least, latency or bytes.
    outcome
        `passes`; `worse`: the difference lies on the wrong side; `undecided`: interval or p do not decide; `refused`: a
        limit is not kept.
    said
        A sentence with the figures.
    queries
        Of an undecided gate: how many it would take (`Comparison.needed`); None where no number would do.
    """

    gate: str
    outcome: Literal["passes", "worse", "undecided", "refused"]
    said: str
    queries: int | None = None


def guarded(alias: str, gates: Gates) -> bool:
    """Return whether the gates may refuse an alias: the champion's, and every one with `gates: {confirmed: true}`."""
    return alias == ALIAS or gates.confirmed


def verdicts(row: Finalist, result: ConfirmationResult, gates: Gates, size: int | None) -> list[Verdict]:
    """Return what every gate that applies says of one finalist, whose tensors take `size` bytes.

    Where the size is not known (None) it is not judged.
    """
    return [
        *floors(row, result, gates),
        *cold(row, result, gates),
        *diagnoses(row, gates),
        *leaks(result, gates),
        *gain(row, result, gates),
        *least(row, gates),
        *latency(row, gates),
        *weight(size, gates),
    ]


def refusals(found: Sequence[Verdict], gates: Gates) -> list[Verdict]:
    """Return the verdicts that say no; what undecided means, the sweep file says."""
    stops = {"worse", "refused"} | ({"undecided"} if gates.undecided == "refuse" else set())
    return [verdict for verdict in found if verdict.outcome in stops]


def check(found: Sequence[Verdict], gates: Gates, name: str) -> None:
    """Raise `GateRefused` with a line for each gate that says no."""
    if against := refusals(found, gates):
        way = "--force 'why' promotes it all the same, and is written down"
        raise GateRefused("\n".join([f"{name} is not promoted", *lines(against), way]))


def lines(found: Sequence[Verdict]) -> list[str]:
    """Return verdicts as they are printed, one to a line.

    >>> lines([Verdict("cold", "passes", "+0.0144 [+0.0029, +0.0259] against raw")])
    ['  cold       passes     +0.0144 [+0.0029, +0.0259] against raw']
    """
    return [f"  {each.gate:<9}  {each.outcome:<9}  {each.said}" for each in found]


def floors(row: Finalist, result: ConfirmationResult, gates: Gates) -> Iterator[Verdict]:
    """Better than every floor, or those named, on clean queries: the interval of the difference lies above 0."""
    named = gates.floors if isinstance(gates.floors, tuple) else tuple(row.against) if gates.floors else ()
    for floor in named:
        if floor not in row.against:
            yield Verdict("floors", "refused", unmeasured("floors", floor, result))
            continue
        by_view = row.against[floor]
        view = "clean" if "clean" in by_view else "all"
        yield difference("floors", by_view[view], 0.0, f"{floor}, {view} {result.compared}")


def cold(row: Finalist, result: ConfirmationResult, gates: Gates) -> Iterator[Verdict]:
    """Not worse than the raw vectors on cold documents: the interval lies above minus the margin.

    What was judged by an older rule (`nvf.journal.cold`) is not judged again, but refused.
    """
    line = row.against.get(RAW, {}).get("cold")
    if gates.cold_margin is None or line is None:
        return
    if rules.outdated(result):
        yield Verdict("cold", "refused", rules.again(result.sweep))
    else:
        yield difference("cold", line, -gates.cold_margin, f"{RAW}, cold {result.compared}")


def diagnoses(row: Finalist, gates: Gates) -> Iterator[Verdict]:
    """No diagnosis in the record of the checkpoint that would be promoted."""
    for each in row.champion.record.diagnoses if gates.diagnoses else ():
        shown = f"{number(each.figure, '.3g')}, threshold {number(each.threshold, '.3g')}"
        yield Verdict("diagnoses", "refused", f"its record shows {each.name} ({shown})")


def champion(row: Finalist, result: ConfirmationResult, gates: Gates) -> Iterator[Verdict]:
    """Not worse than the version that reigned when it was confirmed, on all queries, where one did."""
    if gates.champion_margin is not None and result.champion is not None and row.against_champion is not None:
        other = f"version {result.champion.version}, {result.compared}"
        yield difference("champion", row.against_champion["all"], -gates.champion_margin, other)


def leaks(result: ConfirmationResult, gates: Gates) -> Iterator[Verdict]:
    """Test leaks into train no further than the limits: near-duplicate queries, queries that share a document."""
    for leak in (leak for leak in result.leaks if leak.other == "train"):
        near = (leak.near, gates.near_duplicates, "have a near-duplicate in train")
        shared = (leak.queries_shared, gates.shared_documents, "share a judged document with train")
        for count, limit, words in (near, shared):
            share = count / leak.queries
            if limit is not None:
                said = f"{share:.1%} of the test queries {words}, {limit:.1%} may"
                yield Verdict("leaks", "passes" if share <= limit else "refused", said)


def gain(row: Finalist, result: ConfirmationResult, gates: Gates) -> Iterator[Verdict]:
    """So much above the named baseline, over all queries."""
    for measure, points in gates.gain.items():
        if gates.baseline not in result.floors:
            yield Verdict("gain", "refused", unmeasured("baseline", gates.baseline, result))
            return
        ours, theirs = row.test["all"][measure], result.floors[gates.baseline]["all"][measure]
        said = f"{measure} {ours:.4f} is {ours - theirs:+.4f} from `{gates.baseline}`'s, {points:+.4f} is asked"
        yield Verdict("gain", "passes" if ours - theirs >= points else "refused", said)


def unmeasured(key: str, name: str, result: ConfirmationResult) -> str:
    """Return that a gate names a floor which the task does not have, and those that it has."""
    return f"gates.{key} '{name}' is no floor of this task ({', '.join(sorted(result.floors))})"


def least(row: Finalist, gates: Gates) -> Iterator[Verdict]:
    """A figure over all queries that is at least the one named."""
    for measure, value in gates.least.items():
        ours = row.test["all"][measure]
        yield Verdict("least", "passes" if ours >= value else "refused", f"{measure} is {ours:.4f}, {value} is asked")


def latency(row: Finalist, gates: Gates) -> Iterator[Verdict]:
    """The 95th percentile of ranking one query, in milliseconds: the median over the replicates."""
    if gates.latency_ms_p95 is not None:
        ours = row.latency_ms_p95
        said = f"P95 latency is {ours:.3g} ms, {gates.latency_ms_p95:g} ms may be"
        yield Verdict("latency", "passes" if ours <= gates.latency_ms_p95 else "refused", said)


def weight(size: int | None, gates: Gates) -> Iterator[Verdict]:
    """Bytes of the tensors."""
    if gates.bytes is not None and size is not None:
        said = f"its tensors take {size:,} bytes, {gates.bytes:,} may be"
        yield Verdict("bytes", "passes" if size <= gates.bytes else "refused", said)


def difference(gate: str, line: Comparison, margin: float, other: str) -> Verdict:
    """Return whether a difference to `other` lies above `margin`, below it, or is undecided."""
    said = f"{line} against {other}, {line.queries} queries"
    if line.disagree:
        said += f", p {probability(line.p)}"
    if margin:
        said += f", margin {margin:+g}"
    outcome = line.outcome(margin)
    if outcome == "better":
        return Verdict(gate, "passes", said)
    if outcome == "worse":
        return Verdict(gate, "worse", said)
    enough = line.enough(margin)
    return Verdict(gate, "undecided", f"{said}; {enough}" if enough else said, line.needed(margin))
