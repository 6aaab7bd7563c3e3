"""The job file: which command runs on the cluster, and what it finds there."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nvf.errors import SpecError
from nvf.sweep.yaml_lines import Document


class Job(BaseModel):
    """A validated job file; `${NAME}` in it is filled in from the environment of who submits it.

    Attributes
    ----------
    entrypoint
        The command, e.g. `nvf sweep search_spaces/quickstart.yaml`.
    working_dir
        Folder that is uploaded, at most 100 MiB, and in which the command runs; written relative to the job file. What
        `.gitignore` names stays behind.
    excludes
        Patterns, as in `.gitignore`, of what else stays behind.
    env_vars
        Environment of the command and of its workers.
    entrypoint_num_cpus
        CPUs that the command itself takes; a sweep's driver needs next to none, its trials take their own.
    metadata
        Texts to find the job by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    entrypoint: str = Field(min_length=1, description="the command to run, e.g. nvf sweep SPEC")
    working_dir: Path | None = None
    excludes: list[str] = []
    env_vars: dict[str, str] = {}
    entrypoint_num_cpus: float | None = Field(None, ge=0)
    metadata: dict[str, str] = {}


def read(path: Path) -> Job:
    """Return the job file at `path`, its `working_dir` absolute.

    Raises
    ------
    SpecError
        With one line per problem: file, line, key, what was wrong.
    """
    document = Document.read(path, [])
    try:
        job = Job.model_validate(document.data)
    except ValidationError as error:
        raise document.explained(error, Job) from None
    if job.working_dir is None:
        return job
    folder = (path.parent / job.working_dir).resolve()
    if not folder.is_dir():
        raise SpecError(document.problem(("working_dir",), f"there is no folder {folder}"))
    return job.model_copy(update={"working_dir": folder})
