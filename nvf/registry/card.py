"""The model card: what a version is, how good it is, and what that was judged by, made from the journal.

Sections are those of the Hugging Face model card. It is written when a version is registered and stays as it was:
README.md among the version's files, its first part the version's description in MLflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from nvf.encoders import frozen
from nvf.errors import EncoderError
from nvf.overlap import sentences
from nvf.registry.candidates import Candidate
from nvf.registry.evaluated import head_figures, measured, new_documents, other_corpora, results
from nvf.registry.gates import Verdict
from nvf.registry.openings import Opening
from nvf.systems import SYSTEMS
from nvf.text import bullets, table, when
from nvf.tracking.names import cut
from nvf.training import checkpoint, export

FILE = "README.md"
TEMPLATE = Path(__file__).with_name("card_template.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card is made from.

    Attributes
    ----------
    candidate
        What was promoted.
    model, version
        As what.
    replaces
        The version that the alias pointed to, or None.
    gates, forced
        What each gate said, and why one was overruled.
    cautions
        What remains unproven.
    openings
        Every time that test of this task was opened.
    """

    candidate: Candidate
    model: str
    version: int
    replaces: int | None
    gates: Sequence[Verdict]
    forced: str | None
    cautions: Sequence[str]
    openings: Sequence[Opening]

    @property
    def name(self) -> str:
        """Where it comes from, as `nvf reproduce` takes it."""
        return f"{self.candidate.state.name}/{self.candidate.trial.number}"


def write(card: Card) -> str:
    """Return the card as Markdown, with the metadata that the Hugging Face hub reads at its head."""
    held, kind = card.candidate, SYSTEMS[card.candidate.trial.system]
    encoder = held.task.encoder
    facts: dict[str, Any] = {
        "model": card.model,
        "version": card.version,
        "name": card.name,
        "summary": summary(card),
        "system": kind.name,
        "does": kind.summary,
        "source": kind.source,
        "encoder": _encoder(card),
        "trained": _trained(card),
        "replaces": f"version {card.replaces}" if card.replaces else "nothing: it is the first",
        "specifications": _specifications(card),
        "settings": table(
            ("parameter", "value"), [(f"`{name}`", value) for name, value in held.trial.settings.items()]
        ),
        "direct_use": _direct_use(card),
        "limits": bullets(_limits(card)),
        "texts": encoder is not None,
        "head": encoder is not None and export.is_head(kind),
        "data": _data(card),
        "openings": _openings(card.openings),
        "results": results(held),
        "gates": _gates(card),
        "diagnoses": _diagnoses(card),
    }
    return str(ModelCard.from_template(_metadata(card), template_path=str(TEMPLATE), **facts))


def summary(card: Card) -> str:
    """Return the card's first part: what it is, its first figures, what to beware of."""
    held = card.candidate
    judged = "never judged on test" if held.row is None else f"confirmed on test over {_seeds(held.row.seeds)}"
    return "\n\n".join(
        [
            f"`{held.trial.system}` over the vectors of {held.task.encoder or 'an encoder unknown to nvf'}, ranking "
            f"the {len(held.task.corpus):,} documents of {held.task.name}. Trial {held.trial.number:04d} of sweep "
            f"`{held.state.name}`, {judged}.",
            head_figures(held),
            *([f"**Promoted by --force:** {card.forced}"] if card.forced else []),
            *([bullets(f"Caution: {each}" for each in card.cautions)] if card.cautions else []),
        ]
    )


def description(card: Card) -> str:
    """Return the version's description in MLflow, which keeps 5,000 characters."""
    return cut(f"{summary(card)}\n\nThe whole card: `nvf card models:/{card.model}/{card.version}`, or {FILE} here.")


def _metadata(card: Card) -> ModelCardData:
    """Return what the hub reads: the figures on test as evaluation results, where there are any."""
    held = card.candidate
    split, figures, _ = measured(held)
    found = [
        EvalResult(
            task_type="text-retrieval",
            dataset_type=held.task.name,
            dataset_name=f"{held.task.name}, {view} queries" if view != "cold" else f"{held.task.name}, cold documents",
            dataset_config=view,
            dataset_split=split,
            metric_type=measure,
            metric_value=round(value, 6),
            metric_name=measure,
        )
        for view, by_measure in figures.items()
        for measure, value in by_measure.items()
        if held.row is not None
    ]
    return ModelCardData(
        model_name=f"{card.model}/{card.version}",
        library_name="nvf",
        pipeline_tag="sentence-similarity",
        tags=["nvf", "retrieval", held.trial.system],
        eval_results=found or None,
    )


def _encoder(card: Card) -> str:
    task = card.candidate.task
    if task.encoder is None:
        return "none that nvf knows: the task brings vectors"
    said = f"{task.encoder}, frozen, {task.max_length} tokens at most"
    try:
        return f"{said}; fingerprint `{frozen.fingerprint(task.encoder)}`"
    except EncoderError:  # the task may have brought its vectors: no encoder is needed to promote
        return said


def _trained(card: Card) -> str:
    held = card.candidate
    if held.row is None:
        share = held.state.spec.cold
        seed, on = held.trial.seed, f"without {share:.0%} of the judged documents" if share else "on all judgements"
    else:
        seed, on = held.row.champion.seed, "on all judgements; the seed whose figure on dev is the median"
    return f"seed {seed}, epoch {held.record.epoch} (the best on dev), {on}"


def _specifications(card: Card) -> str:
    held = card.candidate
    started, clock = held.state.started, held.record.clock
    size = (held.folder / checkpoint.MODEL).stat().st_size
    git = started.git
    commit = f", commit `{git.commit[:12]}`{' with changes' if git.dirty else ''}" if git else ""
    packages = ", ".join(f"{name} {version}" for name, version in started.versions.items())
    return bullets(
        [
            f"Checkpoint: {size:,} bytes of tensors, digest `{held.digest}`",
            f"Ranking one query, encoding apart: p50 {clock['latency_ms_p50']:.2f} ms, "
            f"p95 {clock['latency_ms_p95']:.2f} ms on the machine that trained it",
            f"Made with nvf {started.nvf}{commit}" + (f"; {packages}" if packages else ""),
        ]
    )


def _direct_use(card: Card) -> str:
    task = card.candidate.task
    asked = "Questions in words, or vectors of the same encoder." if task.encoder else "Vectors like those of the task."
    return f"Ranking the documents of {task.name} for queries like those that it was trained and judged on. {asked}"


def _limits(card: Card) -> Iterator[str]:
    """Yield what the model is not for, from what was measured."""
    held = card.candidate
    yield new_documents(held)
    yield other_corpora(held)
    yield "Figures and intervals speak of other queries like these, not of other corpora or other languages."
    yield from card.cautions
    for leak in held.state.started.task.leaks:
        if leak.other == "train" and leak.near and leak.split == measured(held)[0]:
            share = leak.near / leak.queries
            yield f"{share:.0%} of the {leak.split} queries have a near-duplicate in train: read the clean figures."


def _data(card: Card) -> str:
    held = card.candidate
    task, shown = held.task, held.state.started.task
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in task.splits.items())
    leaks = sentences(shown.leaks)
    return "\n\n".join(
        [
            f"{task.name} (`{task.source['source']}`): {len(task.corpus):,} documents, queries: {sizes}. "
            f"Fingerprint of ids, judgements, splits and vectors: `{task.fingerprint}`.",
            bullets([*leaks, *shown.notes]) if leaks or shown.notes else "No split shares anything with another.",
        ]
    )


def _openings(openings: Sequence[Opening]) -> str:
    if not openings:
        return "Test of this task was never opened by a sweep of this machine."
    judged = sum(each.judged for each in openings)
    said = f"Test was opened {judged} time{'s' * (judged != 1)}"
    if judged < len(openings):
        said += (
            f", and answers to it were written out {len(openings) - judged} time{'s' * (len(openings) - judged != 1)}"
        )
    rows = [(when(each.at), each.sweep, each.what) for each in openings]
    return f"{said}:\n\n{table(('when (UTC)', 'sweep', 'what for'), rows)}"


def _gates(card: Card) -> str:
    asked = table(("gate", "outcome", "said"), [(each.gate, each.outcome, each.said) for each in card.gates])
    parts = [asked if card.gates else "None was asked: the sweep was not confirmed, or asks for none."]
    if card.forced:
        parts.append(f"**Promoted by --force**, which overrules every gate that says no: {card.forced}")
    return "\n\n".join([*parts, "The registered model was loaded back and ranks as the checkpoint does, to the bit."])


def _diagnoses(card: Card) -> str:
    held = card.candidate
    own = [f"{each.name}: {each.text}" for each in held.record.diagnoses]
    others = sorted(set(held.row.diagnoses if held.row else ()) - {each.name for each in held.record.diagnoses})
    found = [*own, *(f"{name}: in another training of the same setting" for name in others)]
    return bullets(found) if found else "No pathology was diagnosed."


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
