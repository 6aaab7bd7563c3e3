"""Whether a confirmation would find anything new: what was found before is told instead, and test stays closed."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nvf.journal import cold
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import Confirmation, SweepState, TrialState
from nvf.journal.result import ConfirmationResult
from nvf.text import when

log = logging.getLogger(__name__)


def already(
    sweep: SweepFolder, state: SweepState, finalists: Sequence[TrialState], seeds: int, model: str
) -> ConfirmationResult | None:
    """Return what the last confirmation found that leaves nothing new to find, and say so; None where there is none.

    It is of these finalists with these settings, over as many seeds, beside the champion of this model, its cold
    figures are by today's rule, and its checkpoints are there. A confirmation of them that was interrupted comes first.
    Which version reigns by now does not matter: `nvf promote` compares with that one, and opens nothing.
    """
    known = state.confirmations
    asked = {trial.number: trial.settings for trial in finalists}
    if known and known[-1].ended is None and set(known[-1].finalists) == set(asked) and known[-1].seeds == seeds:
        return None
    for each in reversed(known):
        result = each.result
        if (
            result is not None
            and each.seeds == seeds
            and not cold.outdated(result)
            and {row.trial: row.settings for row in result.finalists} == asked
            and (result.model or (result.champion.model if result.champion else state.name)) == model
            and all(sweep.inside(row.champion.checkpoint.folder).is_dir() for row in result.finalists)
        ):
            _tell(each, state)
            return result
    return None


def _tell(known: Confirmation, state: SweepState) -> None:
    """Say that there is nothing to confirm, and why."""
    last = state.confirmed
    assert known.ended is not None and last is not None, "it came to its end"
    log.info(f"confirmed {when(known.ended.t)} UTC: trials {_named(known)}, {known.seeds} seeds; test stays closed")
    if known.number < last.number:
        log.info(f"nvf promote asks the last confirmation: of trials {_named(last)} over {last.seeds} seeds")
    log.info(f"once more, with the same options: nvf confirm {state.name} --again")


def _named(of: Confirmation) -> str:
    return ", ".join(f"{number:04d}" for number in of.finalists)
