"""`mlflow models serve` in a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nvf.registry.export import opened
from nvf.registry.promote import promote
from nvf.tracking import server, ui
from tests.registry.conftest import search
from tests.tracking.servers import unused_port, wait_for

pytestmark = pytest.mark.slow
QUESTIONS = ["what do violins cost", "is tax law a danger?", "who makes rockets"]


@pytest.fixture
def served(run_sweep: Callable[..., Path], lexicon: dict[str, Any], tmp_path: Path) -> Iterator[str]:
    """The address of a served champion."""
    run_sweep(options=lexicon, rates=(0.02,), epochs=2, cold=0)
    promote("small", force="not confirmed")
    port = unused_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/small@champion"]
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    # as in an activated environment: MLflow looks for uvicorn on the path
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": server.tracking_uri(), "PATH": path}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], env=environment, stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", 120)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        ui.stop(process)


def ask(address: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    return json.loads(urllib.request.urlopen(request, timeout=60).read())


def test_texts_and_vectors_over_http_find_what_nvf_search_finds(served: str) -> None:
    own = [search(question, 4) for question in QUESTIONS]
    _, retriever = opened("small")
    vectors = retriever.encode(QUESTIONS).vectors.tolist()
    for body in (
        {"inputs": QUESTIONS},
        {"dataframe_split": {"columns": ["question"], "data": [[question] for question in QUESTIONS]}},
        {"dataframe_split": {"columns": ["vector"], "data": [[vector] for vector in vectors]}},
        {"dataframe_records": [{"vector": vector} for vector in vectors]},
    ):
        answers = ask(served, {**body, "params": {"k": 4}})["predictions"]
        assert [answer["ids"] for answer in answers] == [[hit.id for hit in hits] for hits in own]
        for answer, hits in zip(answers, own, strict=True):
            assert answer["scores"] == pytest.approx([hit.score for hit in hits], abs=1e-6)
            assert answer["texts"] == [hit.text for hit in hits]

    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(served, {"inputs": vectors})
    assert refused.value.code == 400 and "one column of lists" in refused.value.read().decode()
