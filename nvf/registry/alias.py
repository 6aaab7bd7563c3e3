"""Moving an alias: many may try at once, one wins, and what happened stays on record.

MLflow sets an alias blindly, the last writer wins. Here the history is what counts, and the alias only shows its end.

| in MLflow | holds |
| --- | --- |
| tag `mlflow.nvf.move.ALIAS.000007` of the model | the seventh move as JSON; written once, never changed |
| a registered model `nvf-claim-...-000007`, for a moment | the right to make the seventh move, and the move as text |

A name can be created once only, which every database behind MLflow guarantees: who creates the claim has moved the
alias. A mover says after which move it looked, so whoever looked before another's move fails. Then the claim's content
goes into the tag, and the claim away. Where a mover dies in between, the next one finds the claim and finishes the
work. A claim that is made again later, by one who looked long ago, changes nothing: the tag is there before the first
claim goes. MLflow's UI leaves tags of `mlflow.` out; people read the history in the model's description.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from nvf.errors import PromotionLost, UsageError, nearest
from nvf.plain import adapter, plain
from nvf.registry import named
from nvf.registry.moves import HEAD, NOTHING, Detail, Move, introduction
from nvf.tracking import names
from nvf.tracking.server import insist

TAG = "mlflow.nvf.move"
KEPT = 4_500
"""Bytes of a move; MLflow's databases keep 5,000 of a tag."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an alias stood when somebody looked: its moves until then, and the version that it pointed to, or None.

    A move must start from it.
    """

    moves: list[Move]
    version: int | None


def look(client: MlflowClient, model: str, alias: str) -> Position:
    """Return where `alias` of the registered model stands; a model that does not exist has no moves."""
    try:
        found = client.get_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return Position([], None)
    shown = found.aliases.get(alias)
    own = [move for name, move in recorded(found) if name == alias]
    return Position(own, None if shown is None else int(shown))


def recorded(model: RegisteredModel) -> Iterator[tuple[str, Move]]:
    """Yield the moves of every alias, each with its alias, an alias's first move first."""
    for name, text in sorted(model.tags.items()):
        if name.startswith(f"{TAG}."):
            yield name.removeprefix(f"{TAG}.").rpartition(".")[0], _move(text)


def _move(text: str) -> Move:
    move: Move = adapter(Move).validate_json(text)
    return move


def history(client: MlflowClient, model: str, alias: str) -> list[Move]:
    """Return the moves of an alias, or raise `UsageError` where there is none."""
    moves = look(client, model, alias).moves
    if not moves:
        known = [each.name for each in client.search_registered_models(max_results=1000)]
        hint = "; `nvf promote SWEEP` makes the first move" if model in known else nearest(model, known)
        raise UsageError(f"alias '{alias}' of model '{model}' has no history{hint}")
    return moves


def move(
    client: MlflowClient,
    model: str,
    alias: str,
    since: Position,
    after: int,
    kind: str,
    *,
    forced: str | None = None,
    detail: Detail = NOTHING,
) -> Move:
    """Move `alias` of `model` to the version `after`, provided that it has not moved since `since`.

    Raises
    ------
    PromotionLost
        Where it has, saying who moved it where.
    """
    own = Move(
        number=len(since.moves) + 1,
        kind=kind,
        before=since.version,
        after=after,
        at=time.time(),
        who=f"{getpass.getuser()}@{platform.node()}",
        forced=forced,
        detail=detail,
    )
    text = json.dumps(plain(own), allow_nan=False)
    if len(text.encode()) > KEPT:
        raise UsageError(f"the record of this move takes {len(text.encode())} bytes, {KEPT} is the most: say less")
    claim = _claim(model, alias, own.number)
    mine = _create(client, claim, text)
    winner = _finish(client, model, alias, claim, own.number)
    settle(client, model, alias)
    if not mine or winner != own:
        raise PromotionLost(
            f"alias '{alias}' of model '{model}' moved meanwhile: {winner.who} made it point to version "
            f"{winner.after}; look at nvf history {model} and try again"
        )
    return own


def settle(client: MlflowClient, model: str, alias: str) -> None:
    """Make alias and description show the end of the history, whoever else does the same at once.

    A description that somebody wrote is left as it is.
    """
    while True:
        found = client.get_registered_model(model)
        moves = list(recorded(found))
        last = [move for name, move in moves if name == alias][-1]
        told = introduction(model, moves)
        ours = not found.description or found.description.startswith(HEAD)
        behind = int(found.aliases.get(alias, -1)) != last.after
        if behind:
            insist(partial(client.set_registered_model_alias, model, alias, str(last.after)))
            at = names.date(last.at, "milliseconds")
            insist(partial(client.set_registered_model_tag, model, named.PROMOTED_AT, at))
        if ours and found.description != told:
            insist(partial(client.update_registered_model, model, told))
        elif not behind:
            return


def _claim(model: str, alias: str, number: int) -> str:
    digest = hashlib.sha256(f"{model}@{alias}".encode()).hexdigest()[:24]
    return f"nvf-claim-{digest}-{number:06d}"


def _create(client: MlflowClient, claim: str, text: str) -> bool:
    try:
        insist(partial(client.create_registered_model, claim, description=text))
    except MlflowException as error:
        # the second is said of a claim that stood in the way and went before MLflow could show it
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            raise
        return False
    return True


def _finish(client: MlflowClient, model: str, alias: str, claim: str, number: int) -> Move:
    """Return the move of this number, written down by whoever is first to do so."""
    try:
        # of one row: a tag of it might be gone while the row is still seen
        claimed = client.get_registered_model(claim).description
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        claimed = None
    # looked at after the claim was read: a claim made once more is newer than the tag
    known = {each.number: each for each in look(client, model, alias).moves}
    if number not in known:
        assert claimed is not None, "a claim goes only when its tag is there"
        insist(partial(client.set_registered_model_tag, model, f"{TAG}.{alias}.{number:06d}", claimed))
        known[number] = _move(claimed)
    try:
        insist(partial(client.delete_registered_model, claim))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return known[number]
