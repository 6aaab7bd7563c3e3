"""The words of a corpus, and BM25 over them."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nvf.errors import TaskError
from nvf.tasks.base import Corpus, Task
from nvf.types import Queries

K1, B = 1.5, 0.75
"""bm25s's own defaults: how soon a repeated word stops counting, and how much a long document is held back."""
TOKENISERS = ("words", "identifiers")
"""How a text is taken apart: by words alone, or the parts of snake_case and CamelCase as words besides the whole."""
WORD = re.compile(r"\w+")
SEAM = re.compile(r"_+|(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
"""Where an identifier is taken apart."""

KEPT_STEMS = 2_000_000
"""Up to how many stems a process keeps of a corpus, for the next trial: about 100 MB."""


class Words:
    """BM25 over Snowball stems without English stop words, Lucene's variant (Lu, BM25S, 2024).

    The words are counted at the first question.

    Parameters
    ----------
    corpus
        With texts; asked without them, `scores` raises.
    k1, b
        The two constants of the formula.
    tokeniser
        One of `TOKENISERS`, for queries and documents alike.
    """

    def __init__(self, corpus: Corpus, k1: float = K1, b: float = B, tokeniser: str = "words") -> None:
        self._corpus, self._k1, self._b, self._tokeniser = corpus, k1, b, tokeniser

    def scores(self, queries: Queries) -> Tensor:
        """Return (Q, N) float32, 0 where query and document share no word; raises `TaskError` where there is no text.

        >>> from nvf.tasks.assemble import make_corpus
        >>> corpus = make_corpus(["a", "b"], np.eye(2, dtype=np.float32), ["red apples", "green pears"])
        >>> Words(corpus).scores(Queries(["q"], np.ones((1, 2), dtype=np.float32), ["an apple"])) > 0
        tensor([[ True, False]])
        """
        if queries.texts is None or self._corpus.texts is None:
            lacking = "queries" if queries.texts is None else "documents"
            raise TaskError(f"BM25 needs the text of the {lacking}, and these are vectors only; leave BM25 out")
        scores = np.zeros((len(queries), len(self._corpus)), dtype=np.float32)
        for row, words in zip(scores, stems(queries.texts, self._tokeniser), strict=True):
            if self._index and (known := [word for word in words if word in self._index.vocab_dict]):
                row[:] = self._index.get_scores(known)
        return torch.from_numpy(scores)

    @functools.cached_property
    def _index(self) -> Any:
        import bm25s

        assert self._corpus.texts is not None, "checked by scores"
        documents = _of_corpus(self._corpus.texts, self._tokeniser)
        if not any(documents):
            return None  # no document has a word: bm25s would divide by their mean length
        index = bm25s.BM25(method="lucene", k1=self._k1, b=self._b)
        index.index(documents, show_progress=False)
        return index


def stems(texts: Sequence[str], tokeniser: str = "words") -> list[list[str]]:
    """Return the stems of each text.

    >>> stems(["the fit_transform of PCAModels"], "identifiers")
    [['fit_transform', 'fit', 'transform', 'pcamodel', 'pca', 'model']]
    """
    import bm25s
    import Stemmer

    if tokeniser == "identifiers":
        texts = [with_parts(text) for text in texts]
    words: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="en", stemmer=Stemmer.Stemmer("english"), return_ids=False, show_progress=False
    )
    return words


def _of_corpus(texts: Sequence[str], tokeniser: str) -> list[list[str]]:
    """Return the stems of a corpus, taken once where the trials of a process search the same small one.

    Taking them is most of what a trial costs that trains nothing: 1.8 of 2.3 s on 3,000 docstrings.
    """
    known = _KEPT.get(tokeniser)
    if known is not None and known[0] is texts:
        return known[1]
    found = stems(texts, tokeniser)
    _KEPT.pop(tokeniser, None)
    if sum(map(len, found)) <= KEPT_STEMS:
        _KEPT[tokeniser] = texts, found
    return found


_KEPT: dict[str, tuple[Sequence[str], list[list[str]]]] = {}


def with_parts(text: str) -> str:
    """Return `text` with the parts of each identifier behind it.

    >>> with_parts("sklearn.TfidfVectorizer(max_df=1)")
    'sklearn.TfidfVectorizer Tfidf Vectorizer(max_df max df=1)'
    """

    def taken_apart(found: re.Match[str]) -> str:
        parts = SEAM.sub(" ", found[0]).strip()
        return found[0] if " " not in parts else f"{found[0]} {parts}"

    return WORD.sub(taken_apart, text)


def of_best(scores: Tensor, weight: float = 1.0) -> Tensor:
    """Return scores (B, N) in parts of each query's best, times `weight`; 0 where that is 0: no word in common."""
    best = scores.amax(dim=1, keepdim=True)
    return scores * torch.where(best > 0, weight / best, 0)


def lacks_words(task: Task) -> str | None:
    """Return None where corpus and queries have text, else that they have not."""
    if task.corpus.texts is None or task.split("dev").queries.texts is None:
        return f"{task.name} has no text"
    return None
