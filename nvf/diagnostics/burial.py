"""Whether what was learned about judged documents is paid for by those that nobody has judged yet."""

from __future__ import annotations

from nvf.types import Diagnosis, Figures

MARGIN = 0.015
"""How far under raw's cold figure a system's may lie. Our own choice, for nDCG@10: twice what another draw of the
withheld documents changes in the difference (standard deviation 0.004 to 0.008, five draws on NFCorpus's dev). On them
a memory lay 0.021 to 0.040 above raw, BM25 0.006 to 0.024 under it, a memory without diffusion 0.048 to 0.059 and
a nudge 0.078 to 0.091 (measured in November 2026)."""


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
