"""A sweep as a Ray Job: the cluster runs the driver, this machine follows its output."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from nvf import paths
from nvf.cluster import job as job_file
from nvf.cluster.job import Job
from nvf.errors import NvfError

SERVER = "RAY_API_SERVER_ADDRESS"
DEFAULT = "http://127.0.0.1:8265"
STOP_SECONDS = 30
"""How long `ray job stop` waits for a sweep to write down where it stands; Ray's own 3 s would cut it off."""


class JobError(NvfError):
    """A job that cannot be submitted or followed."""


def submit(path: Path, *, address: str | None = None, wait: bool = True) -> int:
    """Submit the job file at `path`; with `wait`, print its output and return 0 where it succeeded, else 1.

    The job runs in a copy of its `working_dir` that the cluster deletes afterwards. So unless the file's `env_vars` say
    otherwise, it has `NVF_MLRUNS` and `NVF_DATA` as they are here: the same paths must be good on the cluster.

    Parameters
    ----------
    path
        A file as of `nvf.cluster.job.Job`.
    address
        The cluster's job server (`http://host:8265`); else `RAY_API_SERVER_ADDRESS`, else the one on this machine.
    wait
        Whether to follow the job to its end.

    Raises
    ------
    SpecError
        Where the file is not valid.
    JobError
        Where the server does not answer, refuses the job, or falls silent.
    """
    job = job_file.read(path)
    server = _server(address)
    # Ray lets the environment overrule the argument; here it is the other way round.
    os.environ[SERVER] = server
    from ray.exceptions import RayError
    from ray.job_submission import JobSubmissionClient

    troubles = (OSError, RuntimeError, ValueError, RayError)
    try:
        client = JobSubmissionClient(server)
        number = client.submit_job(
            entrypoint=job.entrypoint,
            runtime_env=_runtime_env(job),
            metadata=job.metadata,
            entrypoint_num_cpus=job.entrypoint_num_cpus,
        )
    except troubles as error:
        raise JobError(
            f"the job server at {server} did not take the job: {' '.join(str(error).split()).rstrip('.')}; "
            "--address wants the head's dashboard (port 8265 unless it was started otherwise)"
        ) from None
    print(f"submitted {number}; its output: ray job logs {number} --address {server}", flush=True)
    if not wait:
        return 0
    try:
        return _follow(client, number)
    except troubles as error:
        raise JobError(
            f"lost sight of job {number}, which may go on: {' '.join(str(error).split())}; "
            f"look with: ray job status {number} --address {server}"
        ) from None
    except KeyboardInterrupt:
        print(f"job {number} goes on; to end it: ray job stop {number} --address {server}", file=sys.stderr)
        raise


def _server(address: str | None) -> str:
    server = address or os.environ.get(SERVER) or DEFAULT
    if "://" not in server:
        server = f"http://{server}"
    if not server.startswith(("http://", "https://")):
        raise JobError(f"{server} is no job server: give the head's dashboard, e.g. {DEFAULT}")
    return server


def _runtime_env(job: Job) -> dict[str, Any]:
    here = {
        "NVF_MLRUNS": str(paths.mlruns()),
        "NVF_DATA": str(paths.data()),
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
    }
    environment = {"env_vars": here | job.env_vars}
    if job.working_dir is None:
        return environment
    return {**environment, "working_dir": str(job.working_dir), "excludes": job.excludes}


def _follow(client: Any, number: str) -> int:
    """Print a job's output as it comes; return 0 where the job succeeded, else 1."""
    from ray.job_submission import JobStatus

    shown = 0
    while True:
        status = client.get_job_status(number)
        if status.is_terminal():
            time.sleep(1)  # the last lines may come later than the status
        logs = client.get_job_logs(number)
        print(logs[shown:], end="", flush=True)
        shown = len(logs)
        if status.is_terminal():
            break
        time.sleep(1)
    if status == JobStatus.FAILED and not shown:
        print(client.get_job_info(number).message)
    print(f"job {number}: {status.value}")
    return 0 if status == JobStatus.SUCCEEDED else 1
