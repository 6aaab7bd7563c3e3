from __future__ import annotations

from collections.abc import Iterator

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, TEMPORARILY_UNAVAILABLE, ErrorCode

from nvf.tracking import server
from nvf.tracking.server import TRIES, insist


def writer(*errors: Exception) -> Iterator[Exception | str]:
    """Yield what each try comes to."""
    yield from errors
    yield "written"


def write(source: Iterator[Exception | str]) -> str:
    found = next(source)
    if isinstance(found, Exception):
        raise found
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize("code", ["BAD_REQUEST", "TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR"])
def test_a_collision_is_tried_again(code: str) -> None:
    source = writer(*[MlflowException("UNIQUE constraint failed", error_code=ErrorCode.Value(code))] * (TRIES - 1))
    assert insist(lambda: write(source)) == "written"


def test_what_fails_each_time_is_raised() -> None:
    source = writer(*[MlflowException("locked", error_code=TEMPORARILY_UNAVAILABLE)] * TRIES)
    with pytest.raises(MlflowException, match="locked"):
        insist(lambda: write(source))
    assert next(source) == "written"


def test_another_error_is_raised_at_once() -> None:
    source = writer(MlflowException("there is one", error_code=RESOURCE_ALREADY_EXISTS))
    with pytest.raises(MlflowException, match="there is one"):
        insist(lambda: write(source))
    assert next(source) == "written"


def test_a_server_that_does_not_answer_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    source = writer(MlflowException("connection refused"))
    with pytest.raises(MlflowException, match="refused"):
        insist(lambda: write(source))
    assert next(source) == "written"
    answered = RestException({"error_code": "BAD_REQUEST", "message": "UNIQUE constraint failed"})
    source = writer(answered)
    assert insist(lambda: write(source)) == "written"
