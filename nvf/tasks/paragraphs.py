"""Next-paragraph prediction on real text: C consecutive paragraphs of a docstring ask for the one that follows them.

A document is the docstring of a public function, class or method of an installed package. Splits go by package. A
paragraph that stood in an earlier docstring is passed over wherever it comes again, so that what packages share (notes
on versions, on parameters that all have) is nobody's answer twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nvf import seeding
from nvf.errors import TaskError
from nvf.params import param
from nvf.tasks.assemble import assemble, make_corpus
from nvf.tasks.base import Task
from nvf.tasks.embedding_cache import embed
from nvf.tasks.encoding import Encoding, encoder_option, length_option
from nvf.tasks.files import encodable
from nvf.tasks.outline import Look
from nvf.tasks.pydocs import Packages, collector_off, docstrings
from nvf.tasks.sequences import judged, windows
from nvf.tasks.sources import Source

CHARACTERS = 40
"""What a paragraph has at least: under it stand headings and lone words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParagraphsParams(Packages):
    """How windows are cut. A context of 5 is the published one."""

    context: int = param(5, low=1, high=1000, doc="C, how many consecutive paragraphs ask for the next one")
    limit: int | None = param(
        5_000, low=10, high=10_000_000, doc="paragraphs in total at most, drawn by docstring; null: all of them"
    )
    encoder: str = encoder_option()
    max_length: int = length_option(128, "a paragraph is cut")
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of the draw")


class Paragraphs(Source[ParagraphsParams]):
    """Paragraphs of docstrings in their order."""

    name = "paragraphs"
    summary = "windows of consecutive paragraphs of a docstring, the next one as the answer; split by package"
    Params = ParagraphsParams

    def look(self, params: ParagraphsParams) -> Look:
        """Return which splits there are; whether the packages are installed is looked at, their docstrings are not."""
        list(self.inputs(params))
        return Look("paragraphs", None, params.uncounted, {}, [], texts=False, context=params.context)

    def load(self, params: ParagraphsParams) -> Task:
        """Return the task of the packages; see `Source.load`."""
        splits = _draw(find_documents(params.splits, params.context), params)
        documents = {name: texts for found in splits.values() for name, texts in found.items()}
        ids = [f"{name}:{place}" for name, texts in documents.items() for place in range(len(texts))]
        texts = [text for document in documents.values() for text in document]
        vectors = embed(texts, params.encoder, params.max_length, what="paragraphs")
        ends = np.cumsum([len(document) for document in documents.values()])
        rows = {name: np.arange(end - len(documents[name]), end) for name, end in zip(documents, ends, strict=True)}
        return assemble(
            name="paragraphs",
            source=self.options(params),
            corpus=make_corpus(ids, vectors, texts),
            splits={
                split: judged(windows([rows[name] for name in found], params.context), ids, vectors)
                for split, found in splits.items()
            },
        )

    def inputs(self, params: ParagraphsParams) -> Iterable[Path]:
        """Return the sources of every package, and the encoder's files."""
        return (*params.sources, *Encoding(params.encoder, params.max_length).files())


def find_documents(splits: Mapping[str, tuple[str, ...]], context: int) -> dict[str, dict[str, list[str]]]:
    """Return split -> document -> its paragraphs, for the docstrings that have more than `context` new ones.

    Raises `TaskError` where a package is not installed, or has no docstring of that length.
    """
    seen: set[str] = set()
    with collector_off():
        return {
            split: {name: texts for package in packages for name, texts in _documents(package, context, seen).items()}
            for split, packages in splits.items()
        }


def _documents(package: str, context: int, seen: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, docstring in docstrings(package):
        new = [text for text in dict.fromkeys(paragraphs(docstring)) if text not in seen]
        seen.update(new)
        if len(new) > context and name not in found:
            found[name] = new
    if not found:
        raise TaskError(
            f"paragraphs: package '{package}' has no docstring of {context + 1} paragraphs: give a shorter context, or "
            "take it off the list"
        )
    return found


def paragraphs(text: str) -> list[str]:
    """Return what stands between blank lines, with whitespace collapsed; what is too short is left out.

    >>> paragraphs("A heading\\n\\nSomething that is long enough to be\\n  found by what it says.\\n \\nNo.")
    ['Something that is long enough to be found by what it says.']
    """
    found = (encodable(" ".join(part.split())) for part in re.split(r"\n\s*\n", text))
    return [part for part in found if len(part) >= CHARACTERS]


def _draw(splits: dict[str, dict[str, list[str]]], params: ParagraphsParams) -> dict[str, dict[str, list[str]]]:
    """Return the documents that the limit leaves; as in `pydocs`, a document's place in the queue is a hash of it."""
    if params.limit is None:
        return splits
    lengths = {name: len(texts) for found in splits.values() for name, texts in found.items()}
    queue = sorted(lengths, key=lambda name: (seeding.derive(params.seed, name), name))
    total = np.cumsum([lengths[name] for name in queue])
    kept = set(queue[: int(np.searchsorted(total, params.limit, side="right"))])
    return {split: {name: texts for name, texts in found.items() if name in kept} for split, found in splits.items()}
