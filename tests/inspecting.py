"""What a system says of itself on a split that nobody has ranked yet."""

from __future__ import annotations

from nvf.systems.base import INSPECTED, Inspection, System
from nvf.systems.ranking import rank_split
from nvf.tasks.base import Split


def inspected(system: System, split: Split) -> Inspection:
    return system.inspect(split, rank_split(system, split, INSPECTED))
