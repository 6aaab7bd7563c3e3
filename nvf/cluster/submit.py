"""A sweep as a Ray Job: the cluster runs the driver, this machine follows its output."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import yaml

from nvf.errors import NvfError, UsageError, nearest

KEYS = {"entrypoint", "working_dir", "excludes", "env_vars", "entrypoint_num_cpus", "metadata"}
ADDRESS = "http://127.0.0.1:8265"


class JobError(NvfError):
    """A job that cannot be submitted."""


def read(path: Path) -> dict[str, Any]:
    """Return the job file at `path`; raises `UsageError` naming file and key."""
    try:
        job = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(job, dict) or not isinstance(job.get("entrypoint"), str):
        raise UsageError(
            f"{path}: needs a key 'entrypoint', the command to run, e.g. nvf sweep search_spaces/quickstart.yaml"
        )
    for key in job:
        if key not in KEYS:
            raise UsageError(f"{path}: unknown key '{key}'{nearest(str(key), KEYS)}")
    return job


def submit(path: Path, *, address: str | None = None, wait: bool = True) -> int:
    """Submit the job file at `path`; with `wait`, print its output and return 0 where it succeeded, else 1.

    Parameters
    ----------
    path
        YAML with `entrypoint`, and optionally `working_dir` (relative to the file; uploaded, at most 100 MiB),
        `excludes` (patterns that are not uploaded), `env_vars`, `entrypoint_num_cpus`, `metadata`.
    address
        The cluster's job server; else `RAY_API_SERVER_ADDRESS`, else the one on this machine.
    wait
        Whether to follow the job to its end.
    """
    job = read(path)
    from ray.job_submission import JobStatus, JobSubmissionClient

    runtime: dict[str, Any] = {"env_vars": {name: str(value) for name, value in job.get("env_vars", {}).items()}}
    if "working_dir" in job:
        runtime |= {
            "working_dir": str((path.parent / job["working_dir"]).resolve()),
            "excludes": job.get("excludes", []),
        }
    try:
        client = JobSubmissionClient(address)
        number = client.submit_job(
            entrypoint=job["entrypoint"],
            runtime_env=runtime,
            metadata=job.get("metadata"),
            entrypoint_num_cpus=job.get("entrypoint_num_cpus"),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise JobError(f"the job server at {address or ADDRESS} did not take the job: {error}") from None
    print(f"submitted {number}; its output: ray job logs {number}")
    if not wait:
        return 0
    shown = ""
    while True:
        status = client.get_job_status(number)
        logs = client.get_job_logs(number)
        sys.stdout.write(logs[len(shown) :])
        sys.stdout.flush()
        shown = logs
        if status.is_terminal():
            # Logs may lag behind the status by a moment.
            time.sleep(1)
            sys.stdout.write(client.get_job_logs(number)[len(shown) :])
            print(f"job {number}: {status.value}")
            return 0 if status == JobStatus.SUCCEEDED else 1
        time.sleep(1)
