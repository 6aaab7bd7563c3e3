"""MLflow's store on PostgreSQL, by its address alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvf import paths
from nvf.journal.events import read
from nvf.journal.folders import SweepFolder
from nvf.tracking import server
from nvf.tracking.sync import forget, sync
from tests.postgres import PASSWORD, Postgres, postgres
from tests.tracking import journals
from tests.tracking.test_projection import points, shown

__all__ = ["postgres"]


def test_a_journal_is_shown_whole(postgres: Postgres, mlruns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres.create())
    folder = paths.sweep(journals.NAME)
    journals.sweep(folder)
    first, second = sync(SweepFolder(folder)), sync(SweepFolder(folder))
    assert (first.runs, second.runs, second.metrics) == (7, 0, 0)
    mlflow, parent, trials = shown()
    events = read(folder)
    for trial, run in trials.items():
        of_epochs = {point for point in points(mlflow, run) if not point[0].startswith(("best", "value"))}
        assert of_epochs == journals.expected_metrics(events, trial)
    assert parent.info.artifact_uri.startswith(f"file://{mlruns}/artifacts/")
    assert forget(SweepFolder(folder)) == 7


def test_a_database_that_refuses_is_named_without_the_password(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://ann:wr{PASSWORD}@127.0.0.1:{postgres.port}/none")
    with pytest.raises(server.TrackingError, match=f"postgresql://127.0.0.1:{postgres.port}/none does not") as raised:
        server.client()
    assert PASSWORD not in str(raised.value)
