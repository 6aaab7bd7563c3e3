"""Measures by the field's names: `nDCG@10`, `R@5`, `Success@1`, `RR@10`, always by trec_eval's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nvf.errors import MeasureError, nearest

NAMES = ("nDCG", "R", "Success", "RR")
VIEWS = ("all", "clean", "cold")


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure with its cutoff; `str(measure)` is at once config value, dictionary key and column title.

    >>> str(parse("nDCG@10")), parse("nDCG@10").cutoff
    ('nDCG@10', 10)
    """

    name: str
    cutoff: int

    def __str__(self) -> str:
        return f"{self.name}@{self.cutoff}"


def parse(text: str) -> Measure:
    """Return the measure written as `text`, or raise `MeasureError`.

    >>> parse("ndcg@10")
    Traceback (most recent call last):
    nvf.errors.MeasureError: unknown measure 'ndcg@10'; did you mean 'nDCG@10'?
    """
    found = re.fullmatch(r"([A-Za-z]+)@([1-9][0-9]{0,3})", text.strip())
    if found is None:
        raise MeasureError(f"'{text}' is not a measure; write one of {', '.join(f'{name}@10' for name in NAMES)}")
    name, cutoff = found[1], int(found[2])
    if name not in NAMES:
        same = [known for known in NAMES if known.lower() == name.lower()]
        hint = f"; did you mean '{same[0]}@{cutoff}'?" if same else nearest(name, NAMES)
        raise MeasureError(f"unknown measure '{text}'{hint}")
    return Measure(name, cutoff)


def key(measure: str, split: str, view: str = "all") -> str:
    """Return the name under which MLflow keeps a figure; it allows no `@` in names.

    >>> key("nDCG@10", "dev"), key("R@5", "dev", "cold")
    ('dev/nDCG_at_10', 'dev_cold/R_at_5')
    """
    folder = split if view == "all" else f"{split}_{view}"
    return f"{folder}/{measure.replace('@', '_at_')}"
