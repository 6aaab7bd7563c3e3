"""By which rule cold figures were made: nvf has changed it once, and those of the older rule compare with no new ones.

Until then losses took what was withheld for irrelevant, and a query's other right answers crowded it out of the
ranking.
"""

from __future__ import annotations

from nvf.journal.kinds import SweepStarted
from nvf.journal.result import ConfirmationResult

RULE = "condensed"
"""Today's: no loss takes what was withheld for a negative, and lists are condensed (`nvf.measures.evaluate`)."""
OLDER = "whole"
"""Where a journal names none. Its next versions told more of the code, and of finalists, before they told the rule."""
SAID = "cold figures follow an older rule, and compare with none of today's"


def of_sweep(started: SweepStarted) -> str:
    """Return the rule of a sweep's figures on dev, given its first event."""
    return started.cold_by or (RULE if "sweep/worker.py" in started.code else OLDER)


def of_result(result: ConfirmationResult) -> str:
    """Return the rule of a confirmation's figures."""
    return result.cold_by or (OLDER if result.pairwise is None else RULE)


def outdated(result: ConfirmationResult) -> bool:
    """Return whether a confirmation has cold figures, and they are by another rule than today's."""
    return bool(result.cold) and of_result(result) != RULE


def again(sweep: str) -> str:
    """Return what a confirmation by an older rule is shown with: what is wrong, and the way out."""
    return f"{SAID}; for new ones: nvf confirm {sweep}"
