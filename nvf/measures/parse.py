"""Measures by the field's names: `nDCG@10`, `R@5`, `MAP@100`, always by trec_eval's rules."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nvf.errors import MeasureError, nearest
from nvf.plugins import Table

if TYPE_CHECKING:
    from nvf.measures.measure import Measure

VIEWS = ("all", "clean", "cold")
BESIDE = "R@5"
"""Shown beside the measure that is optimised."""
NAME = r"[A-Za-z][A-Za-z0-9_]*"


def _accepted(name: str, found: Any) -> type[Measure]:
    from nvf.measures.measure import Measure

    if not (isinstance(found, type) and issubclass(found, Measure)):
        raise ValueError(f"{found!r} is no nvf.measures.measure.Measure")
    if getattr(found, "name", None) != name or not re.fullmatch(NAME, name):
        raise ValueError(f"its name is {getattr(found, 'name', None)!r}; give both the same, of letters and digits")
    return found


MEASURES: Table[type[Measure]] = Table(
    "nvf.measures",
    "measure",
    {
        "nDCG": "nvf.measures.own:NDCG",
        "R": "nvf.measures.own:Recall",
        "Success": "nvf.measures.own:Success",
        "RR": "nvf.measures.own:ReciprocalRank",
        "MAP": "nvf.measures.own:AveragePrecision",
        "P": "nvf.measures.own:Precision",
    },
    _accepted,
)


def parts(text: str) -> tuple[str, int]:
    """Return name and cutoff of the measure written as `text`, or raise `MeasureError`; of any name.

    >>> parts("nDCG@10")
    ('nDCG', 10)
    """
    found = re.fullmatch(rf"({NAME})@([1-9][0-9]{{0,3}})", text.strip())
    if found is None:
        raise MeasureError(f"'{text}' is not a measure; write one of {', '.join(f'{name}@10' for name in MEASURES)}")
    return found[1], int(found[2])


def parse(text: str) -> Measure:
    """Return the measure written as `text`, or raise `MeasureError`; `PluginError` where a package's does not load.

    >>> str(parse("nDCG@10")), parse("nDCG@10").cutoff
    ('nDCG@10', 10)
    >>> parse("ndcg@10")
    Traceback (most recent call last):
    nvf.errors.MeasureError: unknown measure 'ndcg@10'; did you mean 'nDCG@10'?
    """
    name, cutoff = parts(text)
    if name not in MEASURES:
        known = MEASURES.known()
        same = [each for each in known if each.lower() == name.lower()]
        hint = f"; did you mean '{same[0]}@{cutoff}'?" if same else nearest(name, known)
        raise MeasureError(f"unknown measure '{text}'{hint}")
    return MEASURES[name](cutoff)


def key(measure: str, split: str, view: str = "all") -> str:
    """Return the name under which MLflow keeps a figure; it allows no `@` in names.

    >>> key("nDCG@10", "dev"), key("R@5", "dev", "cold")
    ('dev/nDCG_at_10', 'dev_cold/R_at_5')
    """
    folder = split if view == "all" else f"{split}_{view}"
    return f"{folder}/{measure.replace('@', '_at_')}"
