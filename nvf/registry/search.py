"""Ask a promoted model in words."""

from __future__ import annotations

from pathlib import Path
from typing import overload

from nvf.errors import UsageError
from nvf.journal.facts import Options
from nvf.registry import named
from nvf.registry.retriever import TEXT_LENGTH, Hit, Retriever


class Search:
    """A promoted model, loaded once and asked as often as one likes.

    Parameters
    ----------
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `NAME`; by default the champion that was promoted last.
    other
        Options of a task as in a sweep file: its corpus is searched instead of the model's own.

    Raises
    ------
    UsageError
        Where nothing is promoted, where there is no such model, where the model takes vectors only, or where it cannot
        rank another corpus.
    CheckpointError, TaskError
        Where a file of the model is missing or damaged.
    TrackingError
        Where MLflow does not answer.
    """

    def __init__(self, model: str | None = None, other: Options | None = None) -> None:
        self._retriever = Retriever.of_model(named.folder(model) or _fetched(model), other)
        self._retriever.encode([], light=True)

    def ask(self, text: str, k: int = 10, length: int = TEXT_LENGTH) -> list[Hit]:
        """Return the best `k` documents for `text`, best first, each with the first `length` characters of its text.

        Raises `UsageError` where the question is empty.
        """
        if not text.strip():
            raise UsageError("the question is empty: nvf search 'how do I ...'")
        (hits,) = self._retriever.hits(self._retriever.encode([text], light=True), k, length)
        return hits

    @overload
    def search(self, texts: str, k: int = 10) -> list[Hit]: ...
    @overload
    def search(self, texts: list[str], k: int = 10) -> list[list[Hit]]: ...
    def search(self, texts: str | list[str], k: int = 10) -> list[Hit] | list[list[Hit]]:
        """Return the best `k` documents for a text, best first; of several texts, a list for each.

        Raises `UsageError` where a text is empty.
        """
        asked = [texts] if isinstance(texts, str) else texts
        if not all(text.strip() for text in asked):
            raise UsageError("a question is empty")
        hits = self._retriever.hits(self._retriever.encode(asked, light=True), k) if asked else []
        return hits[0] if isinstance(texts, str) else hits


def _fetched(model: str | None) -> Path:
    """Return the folder of a version as MLflow names it."""
    from nvf.registry import versions  # imports MLflow

    return versions.locate(model)[1]
