"""The model card as it is shown: as it was written, and what happened since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from nvf.errors import UsageError
from nvf.registry import versions
from nvf.registry.alias import recorded
from nvf.registry.card import FILE
from nvf.registry.openings import openings
from nvf.text import table, when
from nvf.tracking import names


@dataclass(frozen=True, slots=True)
class Shown:
    """A version and its card.

    Attributes
    ----------
    model, version, aliases
        What it is called now.
    sweep, trial, system, task
        Where it comes from.
    figures
        By MLflow's keys, e.g. `test/nDCG_at_10` and `floor_raw/nDCG_at_10`.
    card
        Markdown: the card as it was written, and what happened since.
    """

    model: str
    version: int
    aliases: list[str]
    sweep: str
    trial: int
    system: str
    task: str
    figures: dict[str, float]
    card: str


def show(model: str | None) -> Shown:
    """Return a model version, named as `versions.resolve` takes it, with its card and what happened to it since.

    Raises
    ------
    UsageError
        Where there is no such model, or it has no card.
    TrackingError
        Where MLflow does not answer.
    """
    with versions.connected() as client:
        version = versions.resolve(client, model)
        text = written(versions.fetch(client, version), version) + since(client, version)
    tags = version.tags
    return Shown(
        model=version.name,
        version=int(version.version),
        aliases=sorted(version.aliases),
        sweep=tags[names.SWEEP],
        trial=int(tags[names.TRIAL]),
        system=tags[names.SYSTEM],
        task=tags[names.TASK],
        figures={name: float(value) for name, value in tags.items() if "/" in name},
        card=text,
    )


def written(folder: Path, version: ModelVersion) -> str:
    """Return the card as it was written, from the version's files."""
    try:
        return (folder / FILE).read_text(encoding="utf-8").rstrip() + "\n"
    except FileNotFoundError:
        raise UsageError(
            f"version {version.version} of {version.name} has no card: it was registered by another program, or its "
            "promotion was cut off; promote it again"
        ) from None


def since(client: MlflowClient, version: ModelVersion) -> str:
    """Return a section on how the aliases moved to and from a version, and when test was opened again; or nothing."""
    events = [*_moves(client, version)]
    for each in openings(version.tags[names.FINGERPRINT]):
        if each.at > version.creation_timestamp / 1000:
            events.append((each.at, f"test was {'opened' if each.judged else 'read'} by {each.sweep}: {each.what}"))
    rows = [(when(at), what) for at, what in sorted(events)]
    return f"\n## Since This Card Was Written\n\n{table(('when (UTC)', 'what'), rows)}\n" if rows else ""


def _moves(client: MlflowClient, version: ModelVersion) -> Iterator[tuple[float, str]]:
    own = int(version.version)
    for alias, move in recorded(client.get_registered_model(version.name)):
        if own in (move.before, move.after):
            why = f"; forced: {move.forced}" if move.forced else ""
            yield move.at, f"{move.kind} by {move.who}: {alias} {move.before or '-'} -> {move.after}{why}"
