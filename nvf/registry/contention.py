"""Writing to MLflow while others write the same rows.

MLflow reads a row and then inserts or updates it, so two writers at once may both insert, and one of them is handed the
database's own error. Nothing of his was written, and a second try finds the row.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from mlflow.exceptions import MlflowException, RestException

from nvf.tracking import server

T = TypeVar("T")

TRIES = 5
"""Of 8 promoters at once on SQLite and PostgreSQL, none needed more than 2."""
COLLISIONS = ("BAD_REQUEST", "TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR")
"""What MLflow makes of an integrity error, of a lock or deadlock, and of version numbers that others took."""


def insist(write: Callable[[], T]) -> T:
    """Return what `write` returns; where another writer was at the same rows, try again a moment later.

    `write` must be safe to repeat. A server that does not answer is not asked again.
    """
    for attempt in range(1, TRIES):
        try:
            return write()
        except MlflowException as error:
            answered = isinstance(error, RestException) or not server.is_server(server.tracking_uri())
            if error.error_code not in COLLISIONS or not answered:
                raise
            time.sleep(random.uniform(0, 0.02 * 2**attempt))
    return write()
