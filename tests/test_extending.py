"""The guide to extending nvf shows the package that these tests install, and its commands lead to a champion."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.home import Home
from tests.tracked import below

PACKAGE = Path(__file__).parent / "plugin"
GUIDE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_guide_shows_the_package() -> None:
    shown = dict(re.findall(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))
    there = {path.relative_to(PACKAGE).as_posix(): path for path in below("tests/plugin") if path.name != "__init__.py"}
    assert shown == {name: path.read_text(encoding="utf-8") for name, path in there.items()}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_guide_leads_to_a_champion(installed: Path, tmp_path: Path) -> None:
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    install, *rest = commands.splitlines()
    assert install == "pip install -e ."  # `installed` has done it
    for name in ("turned.yaml", "test_poly.py"):
        shutil.copy(PACKAGE / name, tmp_path)
    home = Home(tmp_path, {"PYTHONPATH": f"{installed}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"})
    told: dict[str, Any] = {}
    for command in rest:
        program, *arguments = command.split()
        if program == "nvf":
            code, out, err = home.run(*arguments, "--json")
            assert code == 0, err
            told[arguments[0]] = json.loads(out)
        else:
            module = arguments if program == "python" else ["-m", program, *arguments, "-q", "-p", "no:cacheprovider"]
            subprocess.run([sys.executable, *module], cwd=tmp_path, env={**os.environ, **home.environment}, check=True)
    (row,) = told["confirm"]["finalists"]
    assert row["test"]["all"]["R@5"] > 0.9 and told["confirm"]["floors"]["raw"]["all"]["R@5"] < 0.1
    assert told["promote"]["system"] == "poly" and told["promote"]["alias"] == "champion"
    assert {gate["outcome"] for gate in told["promote"]["gates"]} == {"passes"}
    (model,) = home.folder.glob("mlruns/artifacts/*/artifacts/model/*")
    assert "nvf-poly==0.1.0" in (model / "requirements.txt").read_text().splitlines()

    changed = shutil.copytree(installed, tmp_path / "changed")
    with (changed / "nvf_poly" / "system.py").open("a") as file:
        file.write("# another line\n")
    home.environment["PYTHONPATH"] = f"{changed}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    code, _, err = home.run("resume", "turned", "--trials", 5)
    assert code == 1 and "- the code of nvf-poly: nvf_poly/system.py" in err
    home.environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    code, _, err = home.run("resume", "turned", "--trials", 5)
    assert code == 1 and "pip install nvf-poly==0.1.0" in err
    code, out, err = home.run("leaderboard", "turned")
    assert code == 0 and "RBP@10" in out, err
