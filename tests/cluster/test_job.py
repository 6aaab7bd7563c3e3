"""Job files, and job servers that are not there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from nvf.cluster import job
from nvf.errors import SpecError
from tests.tracked import ROOT, below


def nvf(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("nvf")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_jobs_that_come_with_nvf_are_valid() -> None:
    files = below("jobs", ".yaml")
    assert files
    for file in files:
        read = job.read(file)
        assert read.working_dir == ROOT
        spec = read.entrypoint.split()[-1]
        assert (ROOT / spec).is_file(), f"{file} runs {spec}"


@pytest.mark.parametrize(
    "text, message",
    [
        ("entrypont: nvf sweep a.yaml", "job.yaml:1: entrypont: unknown key 'entrypont'; did you mean 'entrypoint'?"),
        ("working_dir: .", "job.yaml:1: entrypoint: this key is missing"),
        ("entrypoint: 3\nexcludes: .git", "job.yaml:2: excludes: input should be a valid list (it is '.git')"),
        ("entrypoint: nvf\nworking_dir: nowhere", "job.yaml:2: working_dir: there is no folder"),
        ("entrypoint: nvf\nenv_vars: {A: [1]}", "job.yaml:2: env_vars.A: input should be a valid string"),
        ("entrypoint: nvf\nentrypoint_num_cpus: -1", "job.yaml:2: entrypoint_num_cpus: input should be greater than"),
        ("- nvf sweep a.yaml", "job.yaml: such a file is a mapping of keys"),
    ],
)
def test_a_wrong_job_file_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        job.read(path)
    assert message in str(caught.value)


def test_numbers_in_the_environment_become_texts(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("entrypoint: nvf\nenv_vars: {OMP_NUM_THREADS: 2}\n")
    assert job.read(path).env_vars == {"OMP_NUM_THREADS": "2"}


def test_a_wrong_job_file_leaves_with_2(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("entrypoint: nvf\nqueue: fast\n")
    done = nvf("submit", path)
    assert done.returncode == 2
    assert "job.yaml:2: queue: unknown key" in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path, address: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("entrypoint: nvf\n")
    began = time.monotonic()
    done = nvf("submit", path, "--address", address)
    assert done.returncode == 1 and time.monotonic() - began < 20
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr and "8265" in done.stderr
