"""Ask a promoted model in words."""

from __future__ import annotations

from mlflow.exceptions import MlflowException

from nvf.errors import UsageError
from nvf.registry import versions
from nvf.registry.model import Hit, Retriever
from nvf.tracking import server


def search(text: str, k: int = 10, model: str | None = None) -> list[Hit]:
    """Return the best `k` documents for `text`, best first.

    Parameters
    ----------
    text
        The question.
    k
        How many answers.
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `NAME`; by default the champion that was promoted last.

    Raises
    ------
    UsageError
        Where nothing is promoted, where there is no such model, or where the model takes vectors only.
    CheckpointError, TaskError
        Where a file of the model is missing or damaged.
    TrackingError
        Where MLflow does not answer.
    """
    if not text.strip():
        raise UsageError("the question is empty: nvf search 'how do I ...'")
    client = server.client(retries=1, timeout=versions.TIMEOUT)
    try:
        folder = versions.fetch(client, versions.resolve(client, model))
    except MlflowException as error:
        raise server.unreachable(error) from error
    retriever = Retriever.open(folder / "artifacts")
    (hits,) = retriever.hits(retriever.encode([text]), k)
    return hits
