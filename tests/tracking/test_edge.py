"""What MLflow refuses, or keeps otherwise than it was: checked at the edge, against each kind of store."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

from nvf import paths
from nvf.journal.events import Journal
from nvf.journal.folders import SweepFolder
from nvf.tracking import names, server
from nvf.tracking.sync import sync
from tests.journal.written import write
from tests.postgres import postgres
from tests.tracking import journals
from tests.tracking.servers import use_store
from tests.tracking.test_projection import shown

__all__ = ["postgres"]

LOSSES = {
    "recall@10 (é)": 0.25,
    "../up//and down?": 0.5,
    "a" * 300 + "1": 1.0,
    "a" * 300 + "2": 2.0,
    "tiny": 5e-324,
    "largest": 1.7976931348623157e308,
    "not a number": math.nan,
    "infinite": -math.inf,
}
PROMPT = "ß" * 6000 + "end"
ERROR = "ValueError: \0 and 🙂 in " + "x" * 6000


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.slow), "postgresql"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow on each kind of store."""
    use_store(request, monkeypatch)


def write_sweep(folder: Path, name: str) -> None:
    with Journal.create(folder) as journal:
        journals.start(journal, name)
        journals.start_trial(journal, 0, **{"prompt": PROMPT, "a?": "\0"})
        for epoch in range(3):
            record = {
                "epoch": epoch,
                "losses": LOSSES,
                "figures": journals.figures_of(0.5),
                "diagnoses": [],
                "clock": {"seconds": 1.0},
            }
            write(journal, "record", trial=0, record=record, checkpoint=None, decision="continue", attrs={})
        journals.end_trial(journal, 0, "failed", ERROR)
        write(journal, "sweep_ended", sync=True, reason="trials", clock={})


@pytest.mark.usefixtures("store")
def test_whatever_a_journal_holds_is_kept_or_told(request: pytest.FixtureRequest) -> None:
    name = f"edge-{request.node.callspec.id}"
    folder = paths.sweep(name)
    write_sweep(folder, name)
    sync(SweepFolder(folder))
    assert sync(SweepFolder(folder)).metrics == 0
    mlflow, _, trials = shown(name)
    run = trials[0]
    assert mlflow.get_run(run.info.run_id).info.status == "FAILED"
    kept = {name: value for name, value in run.data.metrics.items() if name.startswith(("loss/", "up/"))}
    assert kept == {
        "loss/recall_10 _é_": 0.25,
        "up/and down_": 0.5,
        names.clean(f"loss/{'a' * 300}1"): 1.0,
        names.clean(f"loss/{'a' * 300}2"): 2.0,
        "loss/tiny": 5e-324,
        "loss/largest": 1.7976931348623157e308,
    }
    assert run.data.tags[names.SKIPPED] == (
        "not a finite number: loss/not a number at epoch 0 and 2 more, loss/infinite at epoch 0 and 2 more"
    )
    assert run.data.params["prompt"] == "ß" * 5997 + "..." and run.data.params["a_"] == "\N{REPLACEMENT CHARACTER}"
    assert run.data.tags[names.ERROR] == ERROR.replace("\0", "\N{REPLACEMENT CHARACTER}")[:4997] + "..."
    client = server.client()
    assert Path(client.download_artifacts(run.info.run_id, "params/prompt.txt")).read_text() == PROMPT
    assert Path(client.download_artifacts(run.info.run_id, "error.txt")).read_text() == ERROR


@given(st.text(max_size=400))
def test_every_name_is_one_that_mlflow_takes(name: str) -> None:
    cleaned = names.clean(f"loss/{name}")
    _validate_metric_name(cleaned)
    _validate_param_name(cleaned)
    assert len(cleaned) <= names.NAME_LENGTH
