from __future__ import annotations

import pytest

from nvf.redaction import safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:p@ss@db:5432/mlflow", "postgresql://db:5432/mlflow"),
        ("postgresql://ann:p/ss:w@db:5432/mlflow", "postgresql://db:5432/mlflow"),
        ("postgresql+psycopg://:s3cret@/mlflow", "postgresql+psycopg:///mlflow"),
        ("s3://AKIA:s3/cr+t@bucket/prefix", "s3://bucket/prefix"),
        ("two: http://a:b@c/d and http://e:f@g/h", "two: http://c/d and http://g/h"),
        ("('https://ann:s3cret@host/x', 1)", "('https://host/x', 1)"),
        ("https://x.blob/y?sv=1&sig=abc%2Bd&se=2", "https://x.blob/y?sv=1&sig=***&se=2"),
        ("s3://b/k?X-Amz-Credential=A&X-Amz-Signature=B", "s3://b/k?X-Amz-Credential=***&X-Amz-Signature=***"),
    ],
)
def test_secrets_go(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://mlflow.example/a@b",
        "http://127.0.0.1:5000/a@b",
        "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=nvf1",
        "sqlite:////tmp/mlflow.db",
        "models:/nfcorpus@champion",
        "ann@example.org",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert safe(text) == text
