"""What fails before the first trial says so in a sentence, and leaves no sweep that blocks its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from nvf import paths
from nvf.errors import SweepError
from nvf.journal import events
from nvf.journal.folders import SweepFolder
from nvf.sweep import beginning, driver, ray_session
from nvf.sweep.spec import load
from nvf.tracking import runs, server
from nvf.tracking.sync import sync
from tests.tracking import journals
from tests.tracking.servers import empty_database, own_tracking
from tests.tracking.test_projection import shown

__all__ = ["empty_database", "own_tracking"]

TINY = """\
name: tiny
task: {source: synthetic, documents: 50, dim: 8, map: rotation, train: 60, dev: 20, test: 20}
system: linear
space: {lr: {log: [0.001, 0.01]}}
search: {sampler: random, trials: 1, seed: 0}
budget: {epochs: 1}
resources: {cpu: 1}
"""


def silent(_: object) -> None:
    pass


@pytest.fixture(autouse=True)
def isolated(own_tracking: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., driver.Result]:
    """Starts the tiny sweep: `start("resources.cpu=2")`."""

    def run(*overrides: str) -> driver.Result:
        path = tmp_path / "tiny.yaml"
        path.write_text(TINY)
        spec, document = load(path, list(overrides))
        return driver.start(spec, document.text, overrides, watch=silent)

    return run


def too_long(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("TMPDIR", str(folder / ("x" * 60)))


def no_folder(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("RAY_TMPDIR", "/dev/null")


def does_not_come_up(folder: Path, patch: pytest.MonkeyPatch) -> None:
    def init(**options: object) -> None:
        raise Exception("The current node timed out during startup. This could happen because ...")

    patch.setattr(ray, "init", init)


@pytest.mark.parametrize(
    ("arrange", "overrides", "told"),
    [
        (too_long, [], "TMPDIR = .* is too long.*Linux allows 107; set RAY_TMPDIR"),
        (no_folder, [], "Ray cannot write to /dev/null/ray: Not a directory; set RAY_TMPDIR"),
        (does_not_come_up, [], "Ray does not start here: The current node timed out.*busy"),
        (None, ["resources.cpu=4096"], "one trial asks for 4096 CPU and 0 GPU.*--set resources.cpu=1"),
        (None, ["resources.gpu=4096"], "one trial asks for 1 CPU and 4096 GPU.*--set resources.gpu=0"),
    ],
)
def test_what_keeps_ray_from_running_leaves_no_sweep(
    start: Callable[..., driver.Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arrange: Callable[[Path, pytest.MonkeyPatch], None] | None,
    overrides: list[str],
    told: str,
) -> None:
    if arrange is not None:
        arrange(tmp_path, monkeypatch)
    with pytest.raises(SweepError, match=told):
        start(*overrides)
    assert not paths.sweep("tiny").exists()


@pytest.mark.parametrize(("named", "joined"), [("local", None), ("", None), ("auto", "auto"), ("h:6379", "h:6379")])
def test_the_cluster_that_the_environment_names(
    named: str, joined: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", named)
    assert ray_session.cluster(None) == joined
    assert ray_session.cluster("other:1") == "other:1"
    assert ray_session.cluster("local") is None


def test_a_sweep_without_a_trial_gives_way_with_its_run(said: list[str]) -> None:
    folder = paths.sweep("tiny")
    with events.Journal.create(folder) as journal:
        journals.start(journal, "tiny")
    sync(SweepFolder(folder))
    assert shown("tiny")[1]
    beginning.check_name(SweepFolder(folder))
    with beginning.begin(SweepFolder(folder)) as journal:
        assert "never came to a trial" in said[0]
        journals.start(journal, "tiny")
        with pytest.raises(beginning.NameTaken, match="nvf resume tiny"):
            beginning.check_name(SweepFolder(folder))  # somebody is at it
    assert [event.n for event in events.read(folder)] == [0, 1], "sweep_started and floors"
    mlflow = server.client()
    assert not list(runs.search(mlflow, server.experiment(mlflow), "tiny"))


def test_an_emptied_journal_gives_way_unless_there_are_checkpoints() -> None:
    folder = paths.sweep("tiny")
    events.Journal.create(folder).close()
    beginning.check_name(SweepFolder(folder))
    (folder / "checkpoints" / "trial-0000").mkdir(parents=True)
    with pytest.raises(beginning.NameTaken):
        beginning.check_name(SweepFolder(folder))


@pytest.mark.parametrize("damage", [False, True])
def test_a_sweep_with_a_trial_keeps_its_name(damage: bool) -> None:
    folder = paths.sweep("tiny")
    with events.Journal.create(folder) as journal:
        journals.start(journal, "tiny")
        journals.start_trial(journal, 0)
    if damage:
        path = folder / events.FILE
        path.write_bytes(b"x" + path.read_bytes()[1:])
    before = (folder / events.FILE).read_bytes()
    with pytest.raises(beginning.NameTaken, match="nvf resume tiny"):
        beginning.begin(SweepFolder(folder))
    assert (folder / events.FILE).read_bytes() == before
