"""An S3 server of the tests' own: moto's, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tests.tracking.servers import unused_port, wait_for

KEY, SECRET = "AKIANVFTESTS", "s3cr3t/k3y+of+tests"
"""A test that finds the secret where it does not belong has found a leak."""


@dataclass(frozen=True)
class S3:
    """A running server, with the environment in which every S3 client finds it.

    Attributes
    ----------
    port
        Where it listens, on 127.0.0.1.
    """

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """Where it is, and who asks."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def keys(self, bucket: str) -> dict[str, int]:
        """Return the size of every object of a bucket."""
        return {each.key: each.size for each in self._resource().Bucket(bucket).objects.all()}

    def content(self, bucket: str, key: str) -> bytes:
        """Return what an object holds."""
        content: bytes = self._resource().Object(bucket, key).get()["Body"].read()
        return content

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object."""
        self._resource().Object(bucket, key).put(Body=content)

    def bucket(self, name: str) -> str:
        """Make a bucket, and return its name."""
        self._resource().create_bucket(Bucket=name)
        return name

    def remove(self, name: str) -> None:
        """Delete a bucket that is empty."""
        self._resource().Bucket(name).delete()

    def _resource(self):  # type: ignore[no-untyped-def]
        return boto3.resource(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            region_name="us-east-1",
        )


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server, empty."""
    port = unused_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with Path(tmp_path_factory.mktemp("s3") / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/moto-api/")
        yield S3(port)
    finally:
        process.terminate()
        process.wait()
