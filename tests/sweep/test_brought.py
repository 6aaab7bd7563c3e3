"""What a sweep names that is not nvf's own: whose code is loaded, when, and what is said of it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nvf import tasks
from nvf.errors import CheckpointError, SpecError, SweepError, UsageError
from nvf.journal.events import read
from nvf.journal.facts import Package, Provenance
from nvf.journal.folders import SweepFolder
from nvf.journal.replay import replay
from nvf.plain import adapter, plain
from nvf.spec.form import Spec
from nvf.sweep import brought, driver, resuming
from nvf.sweep.ground import changes, ground
from nvf.sweep.spec import load
from nvf.sweep.worker import Worker
from nvf.systems import SYSTEMS, catalogue, create
from nvf.training import checkpoint
from tests.orders import order
from tests.plugged import PACKAGE, plugged, written
from tests.registry.conftest import SYNTHETIC, sweep

BY_NAME = "system: poly\nmeasure: [RBP@10]\nsearch: {sampler: gp}\nfixed: {loss: hinge}\n"
BY_CLASS = 'system: "mypoly:Poly"\n'
MINE = "mypoly:Poly"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlruns: Path) -> Iterator[Path]:
    """A working directory with a class of one's own, which imports a neighbour."""
    text = (PACKAGE / "system.py").read_text().replace("import torch\n", "import torch\nimport neighbour\n", 1)
    (tmp_path / "mypoly.py").write_text(text)
    (tmp_path / "neighbour.py").write_text("ONE = 1\n")
    monkeypatch.chdir(tmp_path)
    with plugged(tmp_path):
        yield tmp_path


@pytest.fixture
def site(installed: Path, tmp_path: Path, mlruns: Path) -> Iterator[Path]:
    """A copy of the installed package, found by Python."""
    shutil.copytree(installed, tmp_path / "site")
    with plugged(tmp_path / "site"):
        yield tmp_path / "site"


def spec(folder: Path, text: str) -> Spec:
    written(folder / "turned.npz", 30)
    source = '"mysource:Npz"' if "mysource" in text else "npz" if "RBP" in text else "synthetic"
    path = "" if source == "synthetic" else f", path: {folder / 'turned.npz'}"
    (folder / "sweep.yaml").write_text(f"name: b\ntask: {{source: {source}{path}}}\n{text}")
    return load(folder / "sweep.yaml")[0]


def test_the_packages_of_a_sweep_are_what_it_stands_on(site: Path) -> None:
    found = brought.packages(spec(site, BY_NAME))
    assert found["nvf-poly"].version == "0.1.0" and [*found] == ["nvf-poly"]
    assert set(found["nvf-poly"].code) == {f"nvf_poly/{file.name}" for file in PACKAGE.glob("*.py")}
    before = ground("f", "", found)
    assert adapter(Provenance).validate_python(json.loads(json.dumps(plain(before)))) == before
    (site / "nvf_poly" / "measure.py").write_text("changed")
    (said,) = changes(before, replace(before, packages=brought.packages(spec(site, BY_NAME))))
    assert said == "the code of nvf-poly: nvf_poly/measure.py"
    (said,) = changes(before, replace(before, packages={"nvf-poly": replace(found["nvf-poly"], version="0.2.0")}))
    assert said == "the package nvf-poly: was 0.1.0 and is 0.2.0"


@pytest.mark.parametrize("key", ["fixed: {loss: hing}", "space: {loss: {choice: [hinge, hing]}}"])
def test_a_loss_that_is_not_there_has_its_line(site: Path, key: str) -> None:
    with pytest.raises(SpecError, match="sweep.yaml:6: .*loss: unknown loss 'hing'; did you mean 'hinge'"):
        spec(site, f"{BY_NAME.partition('fixed')[0]}{key}\n")


def test_a_sweep_of_our_own_names_says_nothing_of_packages(here: Path) -> None:
    own = spec(here, "system: linear\n")
    assert brought.packages(own) == {} and "packages" not in plain(Provenance(fingerprint="f"))


def test_a_package_that_is_gone_is_named(site: Path) -> None:
    asked = spec(site, BY_NAME)
    before = Provenance(fingerprint="f", packages=brought.packages(asked))
    with plugged(site / "nowhere"):
        shutil.rmtree(site)
        for ask in (lambda: brought.packages(asked, before), lambda: brought.check(asked, before)):
            with pytest.raises(SweepError, match=r"'poly' is of nvf-poly 0\.1\.0, .* pip install nvf-poly==0\.1\.0"):
                ask()
        with pytest.raises(SweepError, match="unknown system 'poly'"):
            brought.check(asked, Provenance(fingerprint="f"))


def test_a_class_of_ones_own_is_searched(here: Path) -> None:
    asked = spec(here, BY_CLASS)
    assert asked.system == (MINE,) and SYSTEMS[MINE].name == MINE and "poly" not in SYSTEMS
    assert catalogue.catalogue()[MINE].kind == "trained"
    found = brought.packages(asked)
    assert found == {"mypoly": Package("", found["mypoly"].code)}
    assert set(found["mypoly"].code) == {"mypoly.py", "neighbour.py"}


def test_a_source_of_ones_own(here: Path) -> None:
    shutil.copy(PACKAGE / "source.py", here / "mysource.py")
    asked = spec(here, "system: linear\n# mysource\n")
    first = tasks.build_snapshot(asked.task)
    assert tasks.open_snapshot(first).source["source"] == "mysource:Npz" and tasks.is_built(asked.task)
    with (here / "mysource.py").open("a") as file:
        file.write("# changed\n")
    assert not tasks.is_built(asked.task), "it is made again by the new code"
    with (
        plugged(here),
        pytest.raises(UsageError, match="'mysource:Npz' is code that a sweep file may name"),
    ):
        tasks.check(asked.task)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing:Poly", "ModuleNotFoundError: No module named 'nothing'; its module is looked for in /"),
        ("mypoly:Pole", "AttributeError: .* has no attribute 'Pole'"),
        ("mypoly:Codes", r"registers no such system: put @register\('name', source=...\) above the class"),
        ("neighbour:ONE", "registers no such system"),
    ],
)
def test_a_class_that_does_not_load(here: Path, name: str, said: str) -> None:
    with pytest.raises(SpecError, match=f"sweep.yaml: the system '{name}' does not load: .*{said}"):
        spec(here, f'system: "{name}"\n')


def test_a_class_that_is_installed_goes_by_its_name(site: Path) -> None:
    with pytest.raises(
        SpecError, match="nvf_poly.system:Poly is the system 'poly' of an installed package: write that"
    ):
        spec(site, 'system: "nvf_poly.system:Poly"\n')


def test_a_journal_may_not_load_what_the_user_has_not_allowed(here: Path) -> None:
    asked = spec(here, BY_CLASS)
    with plugged(here):
        with pytest.raises(
            SweepError, match="mypoly:Poly, code that only its journal names.*nvf resume b --allow mypoly"
        ):
            brought.allow(asked, "b", ["mypoly:Other"])
        with pytest.raises(SweepError, match="is code that a sweep file may name, and nothing else"):
            brought.check(asked, Provenance(fingerprint="f"))
        brought.allow(asked, "b", [MINE])
        assert MINE in SYSTEMS


def test_an_edited_sweep_file_may_not_load_what_the_user_has_not_allowed(here: Path) -> None:
    """Its folder may have come from elsewhere; `--accept-changes` says nothing of code."""
    folder = sweep("small", SYNTHETIC, (0.02,), epochs=1, cold=0.2)
    state = replay(read(folder))
    text = f"name: small\ntask: {json.dumps(SYNTHETIC)}\nmeasure: nDCG@10\nsystem: {{choice: [linear, '{MINE}']}}\n"
    (folder / "spec.yaml").write_text(text)
    with plugged(here):
        with pytest.raises(SweepError) as refused:
            driver.resume("small", accept=True, allow=["other:Class"], watch=lambda state: None)
        assert str(refused.value) == (
            f"sweep 'small' runs {MINE}, code that {folder / 'spec.yaml'} names. Where you trust it: "
            f"nvf resume small --allow {MINE} --allow other:Class --accept-changes"
        )
        assert "mypoly" not in sys.modules and MINE not in SYSTEMS
        assert resuming.edited(SweepFolder(folder), state, [MINE]).system == ("linear", MINE) and MINE in SYSTEMS


def trial(folder: Path, system: str, code: Path | None) -> Any:
    told = order(folder / "checkpoints", system=system, params={"codes": 2}, epochs=1, code=code and str(code))
    return Worker(told).step()


def test_a_worker_loads_a_class_where_the_driver_says_so(here: Path) -> None:
    assert "is code that a sweep file may name" in trial(here, MINE, None).error
    assert trial(here, MINE, here).error is None


def test_a_checkpoint_names_the_package_and_loads_no_class(site: Path, here: Path) -> None:
    """Both are read where the package is not, and where the class could be found."""
    task = tasks.open_snapshot(Path(order(here).task))
    with plugged(site):
        report = trial(here / "named", "poly", None)
        restored = checkpoint.restore_system(Path(report.checkpoint.folder), task.corpus)
        assert restored.name == "poly" and checkpoint.requirement(checkpoint.read_meta(Path(report.checkpoint.folder)))
    named = report.checkpoint.folder
    mine = trial(here / "mine", MINE, here).checkpoint.folder
    shutil.rmtree(site)
    with plugged(here):
        with pytest.raises(CheckpointError, match="'poly' is of another package: pip install nvf-poly==0.1.0"):
            checkpoint.restore_system(Path(named), task.corpus)
        with pytest.raises(CheckpointError, match="'mypoly:Poly' is code.*Install mypoly as a package"):
            checkpoint.restore_system(Path(mine), task.corpus)
        assert MINE not in SYSTEMS
        with pytest.raises(UsageError, match="is code that a sweep file may name"):
            create(MINE, {}, task.corpus)
