"""One id, many spellings: an id is found as it is written, else by its normal form, where only one other id has that.

>>> normal("6FA459EA-EE8A-3CA4-894E-DB77E160355E") == normal("urn:uuid:6fa459eaee8a3ca4894edb77e160355e")
True
>>> normal('"0017"'), normal(" 17.0 "), normal("d017")
('17', '17', 'd017')
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from nvf.errors import TaskError
from nvf.tasks.files import Judgement, some
from nvf.tasks.qrels import unquoted

UUID = re.compile(
    r"(?:urn:uuid:)?[{(]?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})[)}]?",
    re.IGNORECASE | re.ASCII,
)
WHOLE = re.compile(r"([+-]?)0*(\d+?)(?:\.0*)?", re.ASCII)
INVISIBLE = "\ufeff\u200b"
LARGE = 0.05
"""The share of judgements outside of the corpus from which on figures say little."""


def normal(name: str) -> str:
    """Return the spelling that ids have in common which name one thing.

    A UUID becomes lower case with hyphens, whether it stands with or without them, in capitals, braces or as URN; a
    whole number loses leading zeros, a plus and `.0`; quotes of a CSV writer and blanks around an id go.
    """
    text = unicodedata.normalize("NFC", unquoted(name.strip().strip(INVISIBLE)).strip())
    if (found := UUID.fullmatch(text)) is not None:
        return "-".join(found.groups()).lower()
    if (found := WHOLE.fullmatch(text)) is not None:
        return ("-" if found[1] == "-" and found[2] != "0" else "") + found[2]
    return text


class Known:
    """The ids that there are, by their rows.

    Attributes
    ----------
    what
        What they are ids of, and where they stand: `the corpus (docs.json)`.
    ids
        All different.
    rows
        Id -> its row.
    respelt
        What was asked for by another spelling -> the id that it was found as.
    """

    def __init__(self, ids: Sequence[str], what: str) -> None:
        self.what = what
        self.ids = ids
        self.rows = {name: row for row, name in enumerate(ids)}
        self.respelt: dict[str, str] = {}
        self._forms: dict[str, str | None] | None = None

    def find(self, name: str) -> str | None:
        """Return the id that `name` stands for: itself, or the only one of the same normal form, or None."""
        if name in self.rows:
            return name
        if name in self.respelt:
            return self.respelt[name]
        if self._forms is None:
            self._forms = {}
            for each in self.ids:
                form = normal(each)
                self._forms[form] = None if form in self._forms else each
        found = self._forms.get(normal(name))
        if found is not None:
            self.respelt[name] = found
        return found

    def find_all(self, names: Sequence[str], lacks: str, what: str) -> list[str]:
        """Return the id of each name, or raise `TaskError`: `lacks`, how many, of `what`, and the first of them."""
        found = [self.find(name) for name in names]
        missing = [name for name, spelt in zip(names, found, strict=True) if spelt is None]
        if missing:
            raise TaskError(f"{lacks} {len(missing):,} {what}: {some(missing)}")
        return [spelt for spelt in found if spelt is not None]

    @property
    def notes(self) -> list[str]:
        """A sentence on what was found by its normal form."""
        if not self.respelt:
            return []
        name, found = next(iter(self.respelt.items()))
        count = len(self.respelt)
        ids, are = ("1 id", "is") if count == 1 else (f"{count:,} ids", "are")
        return [f"{ids} {are} spelt differently in {self.what} ('{name}' is '{found}' there): matched as the same"]


def match(split: str, judgements: Iterable[Judgement], queries: Known | None, documents: Known) -> list[Judgement]:
    """Return the judgements with each id as `queries` and `documents` spell it; what they lack stays as it is.

    Raises `TaskError` where two spellings give one pair two grades, and where no relevant document of the split is in
    the corpus.
    """
    found: dict[tuple[str, str], int] = {}
    for query, document, grade in judgements:
        pair = ((queries.find(query) if queries else None) or query, documents.find(document) or document)
        if found.setdefault(pair, grade) != grade:
            raise TaskError(
                f"{split}: '{query}' and '{document}' are judged twice, in two spellings, with grades {found[pair]} "
                f"and {grade}; keep one of the two"
            )
    relevant = [document for (_, document), grade in found.items() if grade > 0]
    if relevant and not any(document in documents.rows for document in relevant):
        raise TaskError(
            f"{split}: none of its {len(relevant):,} relevant documents is in {documents.what}: it names "
            f"{some(relevant[:1])}, the corpus has {some(documents.ids[:1])}; are the judgements of another version?"
        )
    if not relevant:
        raise TaskError(f"{split}: no judgement has a grade above 0, so nothing can be found; leave the split out")
    return [(query, document, grade) for (query, document), grade in found.items()]


def missing(counts: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return what to say of judgements that name no document of the corpus; a large share is a warning.

    `counts` has for each split how many judgements are missing, and how many there are.
    """
    missed = {split: (count, judged) for split, (count, judged) in counts.items() if count}
    large = {split: pair for split, pair in missed.items() if pair[0] >= LARGE * pair[1]}
    if not missed:
        return []
    if large:
        share = ", ".join(f"{count / judged:.0%} in {split}" for split, (count, judged) in large.items())
        said = f"warning: many judgements ({share}) name documents that are not in the corpus: figures are too low"
    else:
        where = ", ".join(f"{count:,} in {split}" for split, (count, _) in missed.items())
        total = sum(count for count, _ in missed.values())
        said = f"{total:,} judgements ({where}) name documents that are not in the corpus: nothing finds those"
    return [said]


def owned(queries: Iterable[str], documents: Iterable[str]) -> dict[str, int]:
    """Return query id -> row of the document that bears the same id, for those queries that have one."""
    wanted = set(queries)
    forms: dict[str, str | None] = {}
    for name in wanted:
        form = normal(name)
        forms[form] = None if form in forms else name
    exact: dict[str, int] = {}
    close: dict[str, int | None] = {}
    for row, document in enumerate(documents):
        if document in wanted:
            exact[document] = row
        elif (found := forms.get(normal(document))) is not None:
            close[found] = None if found in close else row
    return {name: row for name, row in close.items() if row is not None} | exact
