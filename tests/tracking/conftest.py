"""Every test here has an MLflow database of its own."""

from __future__ import annotations

import pytest

from tests.tracking.servers import empty_database, free_port, mlflow_server, own_tracking

__all__ = ["empty_database", "free_port", "mlflow_server", "own_tracking"]


@pytest.fixture(autouse=True)
def isolated(own_tracking: None) -> None:
    """No test reaches the user's own tracking server."""
