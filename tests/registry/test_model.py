"""A model version as MLflow holds it: whole, whatever is behind MLflow, and asked by texts and by vectors."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from nvf.journal.events import read
from nvf.registry.promote import promote
from nvf.registry.rollback import moves, rollback
from nvf.tracking import server
from tests.postgres import postgres
from tests.registry.conftest import confirmed, search
from tests.tracking.servers import use_store

__all__ = ["postgres"]

RunSweep = Callable[..., Path]
STORES = ["sqlite", pytest.param("server", marks=pytest.mark.slow), pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is behind MLflow: the test's own SQLite file, a server, or PostgreSQL."""
    return use_store(request, monkeypatch)


@pytest.fixture
def as_users_load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Loads a model by MLflow's own means, as one who knows nothing of nvf would."""

    def load(uri: str) -> Any:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.tracking_uri())
        return mlflow.pyfunc.load_model(uri)

    return load


def test_a_version_is_whole_in_every_store(
    store: str, run_sweep: RunSweep, as_users_load: Callable[[str], Any], tmp_path: Path
) -> None:
    folder = run_sweep()
    confirmed(folder, {0: 0.2, 1: 0.1})
    done = promote("small")
    client = server.client()
    version = client.get_model_version_by_alias("small", "champion")
    run = client.get_run(version.run_id)
    assert run.data.tags["nvf.sweep"] == "small" and run.data.tags["nvf.trial"] == "1"
    assert version.tags["nvf.task_fingerprint"] == read(folder)[0].task.fingerprint
    assert float(version.tags["test_cold/R_at_5"]) == 0.5 and float(version.tags["floor_raw/nDCG_at_10"]) > 0
    assert version.description.startswith("`linear`") and "confirmed on test over 3 seeds" in version.description
    page = f"/#/models/small/versions/{done.version}?workflowType=machine_learning"
    assert done.link.endswith(page)

    local = Path(mlflow.artifacts.download_artifacts(version.source, dst_path=str(tmp_path)))
    assert (local / "README.md").read_text().count("# small, version 1") == 1
    pinned = (local / "requirements.txt").read_text().splitlines()
    assert f"mlflow=={installed('mlflow')}" in pinned and f"nvf=={installed('nvf')}" in pinned
    assert all("==" in line for line in pinned)
    assert not [*local.rglob("*.pkl")]

    model = as_users_load("models:/small@champion")
    example = model.input_example
    assert model.metadata.metadata["nvf.checkpoint"] == version.tags["nvf.checkpoint"]
    assert example.shape == (1, 16) and list(model.predict(example)) == ["ids", "scores"]
    assert len(model.predict(np.zeros((3, 16), dtype=np.float32), params={"k": 4})["ids"][2]) == 4
    assert [column.name for column in model.metadata.signature.outputs] == ["ids", "scores"]
    with pytest.raises(MlflowException, match="k = 0: ask for 1 document or more"):
        model.predict(example, params={"k": 0})

    promote("small", force="once more")
    assert rollback("small").after == 1 and [move.kind for move in moves("small")] == ["promote"] * 2 + ["rollback"]


def test_a_model_of_texts_takes_texts_and_vectors(
    run_sweep: RunSweep, lexicon: dict[str, Any], as_users_load: Callable[[str], Any]
) -> None:
    run_sweep(options=lexicon, rates=(0.02,), epochs=1, cold=0)
    promote("small", force="not confirmed")
    model = as_users_load("models:/small@champion")
    assert isinstance(model.input_example, list) and model.predict(model.input_example).shape == (1, 3)
    questions = ["what do violins cost", "is tax law a danger?"]
    own = [[hit.id for hit in search(question, 5)] for question in questions]
    vectors = model.unwrap_python_model().retriever.encode(questions).vectors
    for asked in (
        questions,
        pd.DataFrame({"question": questions}),
        pd.DataFrame({"vector": list(vectors)}),
        pd.DataFrame({"vector": vectors.tolist()}),
    ):
        found = model.predict(asked, params={"k": 5})
        assert found["ids"].tolist() == own
        assert all(first >= second for first, second in zip(found["scores"][0], found["scores"][0][1:], strict=False))
    assert found["texts"][0][0].startswith("A text on the")
    assert len(model.predict(pd.DataFrame({"vector": []}))) == 0
    for asked in (
        vectors,  # of which MLflow leaves one column
        pd.DataFrame({"vector": [[1.0, 2.0]]}),
        pd.DataFrame({"vector": [[1.0], [1.0, 2.0]]}),
        pd.DataFrame({"vector": [None]}),
    ):
        with pytest.raises(MlflowException, match="each query must be 384 numbers, or a text; .*one column of lists"):
            model.predict(asked)
