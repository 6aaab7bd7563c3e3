"""Undoing a promotion: the alias goes back to the version before, and the history grows by a move."""

from __future__ import annotations

from mlflow.exceptions import MlflowException

from nvf.errors import UsageError
from nvf.registry import named, versions
from nvf.registry.alias import history, look, move
from nvf.registry.moves import Detail, Move


def rollback(model: str, alias: str = named.ALIAS, reason: str | None = None) -> Move:
    """Point `alias` at the version that it pointed to before the present one was promoted; again goes further back.

    `reason` is written down.

    Raises
    ------
    UsageError
        Where there is no such history, or nothing before.
    PromotionLost
        Where somebody else moved the alias meanwhile.
    TrackingError
        Where MLflow does not answer.
    """
    versions.check_names(model, alias)
    with versions.connected() as client:
        history(client, model, alias)
        since = look(client, model, alias)
        before = next(
            (each.before for each in reversed(since.moves) if each.kind == "promote" and each.after == since.version),
            None,
        )
        if before is None:
            raise UsageError(f"nothing stood behind alias '{alias}' of model '{model}' before version {since.version}")
        try:
            client.get_model_version(model, str(before))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise UsageError(f"version {before} of model '{model}' was deleted: nothing to go back to") from None
        return move(client, model, alias, since, before, "rollback", detail=Detail(reason=reason or None))


def moves(model: str, alias: str = named.ALIAS) -> list[Move]:
    """Return the history of an alias, the first move first; raises as `rollback` does."""
    versions.check_names(model, alias)
    with versions.connected() as client:
        return history(client, model, alias)
