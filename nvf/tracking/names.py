"""Under which names MLflow keeps what the journal holds, and what it refuses."""

from __future__ import annotations

import hashlib
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from nvf.measures.parse import key
from nvf.training.record import Record
from nvf.types import Figures

KIND, SWEEP, STARTED, TRIAL = "nvf.kind", "nvf.sweep", "nvf.started", "nvf.trial"
SYSTEM, TASK, SEED, FINGERPRINT = "nvf.system", "nvf.task", "nvf.seed", "nvf.task_fingerprint"
COMMIT, DIRTY, DRIVER = "nvf.git_commit", "nvf.git_dirty", "nvf.driver"
OUTCOME, DIAGNOSES, ERROR, FAULTS = "nvf.outcome", "nvf.diagnoses", "nvf.error", "nvf.faults"
BEST_EPOCH, PROMOTED, CONFIRMED = "nvf.best_epoch", "nvf.promoted", "nvf.confirmed"
SKIPPED, ARTIFACTS, THROUGH, BUDGET = "nvf.skipped", "nvf.artifacts", "nvf.through", "nvf.budget"
PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"

VALUE = "value"
"""The first objective: of a trial at its best epoch so far, of a sweep at its best trial."""
GAIN = "over_best_floor"
"""By how much the sweep's best trial beats its best floor."""

STATUS = {
    "complete": "FINISHED",
    "pruned": "FINISHED",
    "stopped": "FINISHED",
    "infeasible": "FAILED",
    "failed": "FAILED",
    "killed": "KILLED",
    "running": "RUNNING",
    "floor": "FINISHED",
    "ceiling": "FINISHED",
}
"""Outcome -> status of the run. The UI marks all but FINISHED as failures, and a pruned trial is none: the outcome,
a column of the saved views, says what ended early."""

TAG_LENGTH = 5_000
PARAM_LENGTH = 6_000
NAME_LENGTH = 250


def clean(name: str) -> str:
    """Return `name` in the letters and the length that MLflow allows for metrics and parameters.

    Names that are too long keep apart by a digest of what was cut.

    >>> clean("loss/nDCG@10 (all)"), clean("../x//y")
    ('loss/nDCG_10 _all_', 'x/y')
    """
    path = posixpath.normpath(re.sub(r"[^\w.\- :/]", "_", name)).lstrip("./")
    if len(path) > NAME_LENGTH:
        digest = hashlib.sha256(path.encode()).hexdigest()[:8]
        path = f"{path[: NAME_LENGTH - 9]}-{digest}"
    return path or "_"


def cut(text: str, length: int = TAG_LENGTH) -> str:
    """Return `text` without what PostgreSQL cannot keep (NUL), shortened to `length` where it is longer."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= length else text[: length - 3] + "..."


def date(at: float, precision: str = "seconds") -> str:
    """Return a moment, in seconds since 1970, as people read it.

    >>> date(0), date(1.5, "milliseconds")
    ('1970-01-01 00:00:00 UTC', '1970-01-01 00:00:01.500 UTC')
    """
    return f"{datetime.fromtimestamp(round(at, 3), UTC).replace(tzinfo=None).isoformat(' ', precision)} UTC"


def times(seen: Mapping[str, Sequence[int]]) -> str:
    """Return in words how often each of some names was seen, and first in which epoch.

    >>> times({"loss/a": (0, 1), "loss/b": (2, 3)})
    'loss/a at epoch 0, loss/b at epoch 2 and 2 more'
    """
    return ", ".join(
        f"{name} at epoch {first}" + (f" and {count - 1} more" if count > 1 else "")
        for name, (first, count) in seen.items()
    )


def finite(value: float) -> bool:
    """Return whether MLflow can keep `value` as a metric: it stores inf as 1.8e308, which wins every comparison."""
    return abs(value) <= sys.float_info.max


def figures(views: Figures, folder: str) -> Iterator[tuple[str, float]]:
    """Yield name and value of every figure: `dev/nDCG_at_10`, `dev_cold/R_at_5`."""
    for view, by_measure in views.items():
        for measure, value in by_measure.items():
            yield clean(key(measure, folder, view)), value


def record_metrics(record: Record) -> Iterator[tuple[str, float]]:
    """Yield name and value of every metric of one epoch."""
    yield from figures(record.figures, "dev")
    for part, value in record.losses.items():
        yield clean(f"loss/{part}"), value
    for part, value in record.held_out.items():
        yield clean(f"dev_loss/{part}"), value
    for name, value in record.statistics.items():
        yield clean(f"statistics/{name}"), value
    for name, value in record.clock.items():
        yield clean(name), value
