"""Whether what was learned about judged documents is paid for by those that nobody has judged yet."""

from __future__ import annotations

from nvf.types import Diagnosis, Figures

MARGIN = 0.005
"""How far under raw's cold figure a system's may lie. Our own choice, for nDCG@10: over five draws of what is withheld
from NFCorpus, a memory that keeps it lay at most 0.0001 under it on dev, a nudge 0.07 to 0.08 and a memory without
diffusion 0.09 to 0.12 (measured in November 2026)."""


def buries_new_documents(figures: Figures, raw: Figures, measure: str) -> list[Diagnosis]:
    """Return the diagnosis where the cold figure is under raw's by more than `MARGIN` while the one of all is above.

    Parameters
    ----------
    figures, raw
        Of the system and of the raw encoder on the same split. Without a cold view there is nothing to say.
    measure
        Such as `nDCG@10`.
    """
    if "cold" not in figures or "cold" not in raw:
        return []
    (all_, all_raw), (cold, cold_raw) = ((figures[view][measure], raw[view][measure]) for view in ("all", "cold"))
    if all_ <= all_raw or cold >= cold_raw - MARGIN:
        return []
    text = (
        f"it finds documents that were judged better than the raw encoder does, and new ones worse: {measure} "
        f"{all_:.4f} against {all_raw:.4f} over all documents, {cold:.4f} against {cold_raw:.4f} over cold ones"
    )
    return [Diagnosis("buries_new_documents", cold - cold_raw, -MARGIN, text)]
