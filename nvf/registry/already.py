"""Whether a confirmation would find anything new: what was found before is told instead, and test stays closed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from nvf.journal import cold, folders
from nvf.journal.kinds import Event
from nvf.journal.replay import TrialState
from nvf.registry.confirmations import Confirmation, confirmations
from nvf.text import when

log = logging.getLogger(__name__)


def already(
    folder: Path, events: Sequence[Event], finalists: Sequence[TrialState], seeds: int, model: str
) -> Confirmation | None:
    """Return the last confirmation that leaves nothing new to find, or None where there is none.

    It is of these finalists with these settings, over as many seeds, beside the champion of this model, its cold
    figures are by today's rule, and its checkpoints are there. A confirmation of them that was interrupted comes first.
    Which version reigns by now does not matter: `nvf promote` compares with that one, and opens nothing.
    """
    known = confirmations(events)
    asked = {trial.number: trial.settings for trial in finalists}
    if known and known[-1].at is None and set(known[-1].finalists) == set(asked) and known[-1].seeds == seeds:
        return None
    for each in reversed(known):
        result = each.result
        if (
            result is not None
            and each.seeds == seeds
            and not cold.outdated(result)
            and {row.trial: row.settings for row in result.finalists} == asked
            and (result.model or (result.champion.model if result.champion else folder.name)) == model
            and all(folders.inside(folder, row.champion.checkpoint.folder).is_dir() for row in result.finalists)
        ):
            return each
    return None


def tell(known: Confirmation, events: Sequence[Event], name: str) -> None:
    """Say that there is nothing to confirm, and why."""
    trials = ", ".join(f"{number:04d}" for number in known.finalists)
    log.info(f"confirmed {when(known.at or 0)} UTC: trials {trials}, {known.seeds} seeds; test stays closed")
    if known.number < (last := [each for each in confirmations(events) if each.at is not None][-1]).number:
        others = ", ".join(f"{number:04d}" for number in last.finalists)
        log.info(f"nvf promote asks the last confirmation: of trials {others} over {last.seeds} seeds")
    log.info(f"once more, with the same options: nvf confirm {name} --again")
