"""What happens in a sweep: a dataclass for each kind of event, its fields as the journal has them.

Whatever depends on the clock or the machine stands in `t` and `clock`, so that two journals of the same sweep are equal
but for those two keys. Journals of older versions of nvf lack some of the fields that have a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, JsonValue

from nvf.journal.facts import Absent, Clock, Git, Named, Packages, Params, Part, Provenance, Published, Searched, Text
from nvf.journal.result import ConfirmationResult
from nvf.spec.form import Spec
from nvf.training.record import Record
from nvf.types import Figures

FORMAT = 1
Decision = Literal["continue", "prune", "stop", "complete", "pause"]
Outcome = Literal["complete", "pruned", "stopped", "infeasible", "failed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class Happened:
    """An event: its place in the journal, from 0, and its time in seconds since 1970. The journal gives both."""

    n: int = -1
    t: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepStarted(Happened):
    """The first event.

    `set` is what `--set` changed of the file; `cold_by` the rule of cold figures (`nvf.journal.cold`); `code` has the
    digest of each file that figures depend on, `packages` those of other packages.
    """

    kind: Literal["sweep_started"] = "sweep_started"
    format: int = FORMAT
    sweep: str
    spec: Spec
    set: list[str] = field(default_factory=list)
    spec_text: str = ""
    nvf: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    packages: Packages = field(default_factory=dict)
    task: Searched
    objectives: list[str]
    measures: list[str] = field(default_factory=list)
    seed: int = 0
    git: Git | None = None
    cold_by: Text = None
    clock: Clock = Clock()

    @property
    def ground(self) -> Provenance:
        """What the sweep stood on when it began."""
        return Provenance(
            fingerprint=self.task.fingerprint,
            spec_text=self.spec_text,
            nvf=self.nvf,
            versions=self.versions,
            code=self.code,
            packages=self.packages,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class FloorsMeasured(Happened):
    """What one gets for nothing, and the best there can be: name -> figures on a split."""

    kind: Literal["floors"] = "floors"
    split: str = "dev"
    floors: dict[str, Figures]
    ceilings: dict[str, Figures]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStarted(Happened):
    """A setting was drawn: all `params`, those `chosen` by the search, and the `distributions` as texts."""

    kind: Literal["trial_started"] = "trial_started"
    trial: int
    system: str
    params: Params
    chosen: Params
    distributions: dict[str, str]
    seed: int
    epochs: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordTaken(Happened):
    """An epoch of a trial: its record, its checkpoint, what was decided on it, the pruner's notes, who trained it."""

    kind: Literal["record"] = "record"
    trial: int
    record: Record
    checkpoint: Published | None
    decision: Decision
    attrs: dict[str, JsonValue]
    clock: Clock = Clock()


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultTaken(Happened):
    """What was lived with.

    `fault` is checkpoint_damaged, disk_full, out_of_memory or worker_lost; `epoch` the last journaled one; `params`
    what changed of the trial's.
    """

    kind: Literal["fault"] = "fault"
    trial: int
    fault: str
    epoch: int
    detail: str
    params: Params


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialEnded(Happened):
    """A trial has its outcome."""

    kind: Literal["trial_ended"] = "trial_ended"
    trial: int
    outcome: Outcome
    error: str | None
    attrs: dict[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialPaused(Happened):
    """A trial was interrupted, and `nvf resume` goes on with it."""

    kind: Literal["trial_paused"] = "trial_paused"
    trial: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResumed(Happened):
    """A trial goes on after the record of `epoch`."""

    kind: Literal["trial_resumed"] = "trial_resumed"
    trial: int
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointsDeleted(Happened):
    """A trial ended, and is not among those whose checkpoints stay."""

    kind: Literal["checkpoints_deleted"] = "checkpoints_deleted"
    trial: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPaused(Happened):
    """The search stopped before its end: for an interrupt, time, failing, room or error."""

    kind: Literal["sweep_paused"] = "sweep_paused"
    reason: str
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepResumed(Happened):
    """The search goes on. Its budget may have grown; `ground` is what it stands on now where `accepted` has changed."""

    kind: Literal["sweep_resumed"] = "sweep_resumed"
    spec: Spec
    accepted: list[str] = field(default_factory=list)
    ground: Provenance | None = None
    clock: Clock = Clock()


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepEnded(Happened):
    """The search came to its end."""

    kind: Literal["sweep_ended"] = "sweep_ended"
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfirmationStarted(Happened):
    """A confirmation, counted from 1: of which finalists, over how many seeds, beside the champion of which model."""

    kind: Literal["confirmation_started"] = "confirmation_started"
    confirmation: int
    finalists: list[int]
    seeds: int
    cold_by: Text = None
    model: Text = None
    clock: Clock = Clock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Replicated(Happened):
    """A training of a confirmation: its best record on dev and the checkpoint of that, or what went wrong."""

    kind: Literal["replicate"] = "replicate"
    confirmation: int
    part: Part
    record: Record | None
    checkpoint: Published | None
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SealOpened(Happened):
    """Written before anything of test is judged; `times` counts this sweep's openings, this one among them."""

    kind: Literal["test_opened"] = "test_opened"
    confirmation: int
    times: int
    finalists: list[int]
    clock: Clock = Clock()


def _known(result: Any) -> Any:
    return None if isinstance(result, dict) and "compared" not in result else result


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed(Happened):
    """A confirmation came to its end: what `nvf confirm --json` prints; None where a much older nvf found it."""

    kind: Literal["confirmed"] = "confirmed"
    confirmation: int
    result: Annotated[ConfirmationResult | None, BeforeValidator(_known)]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFileWritten(Happened):
    """The answers of a model version to test of `task` were written out.

    Where that is the sweep's own task, a confirmation has judged them; older journals name no task for it.
    """

    kind: Literal["test_run"] = "test_run"
    trial: int
    model: str
    version: int
    task: Annotated[Named | None, Absent] = None
    clock: Clock = Clock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Promoted(Happened):
    """A trial became a version of a model behind an alias; `forced` is the reason, where a gate was overruled."""

    kind: Literal["promoted"] = "promoted"
    trial: int
    model: str
    version: int
    alias: str
    forced: str | None = None


OfTrial = (
    TrialStarted | RecordTaken | FaultTaken | TrialEnded | TrialPaused | TrialResumed | CheckpointsDeleted | Promoted
)
"""What is said of one trial."""
OfConfirmation = ConfirmationStarted | Replicated | SealOpened | Confirmed
Event = (
    SweepStarted | FloorsMeasured | OfTrial | SweepPaused | SweepResumed | SweepEnded | OfConfirmation | RunFileWritten
)
Journaled = Annotated[Event, Field(discriminator="kind")]
