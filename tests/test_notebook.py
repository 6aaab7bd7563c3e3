"""docs/python.ipynb runs from its first cell to its last, as a user runs it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.tracking.servers import empty_database, own_tracking

__all__ = ["empty_database", "own_tracking"]

NOTEBOOK = Path(__file__).parents[1] / "docs" / "python.ipynb"


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_notebook_runs(own_tracking: None, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is stored without outputs"
    NotebookClient(notebook, timeout=280, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [
        "".join(output.get("text", "") + "".join(output.get("data", {}).values()) for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    assert "'raw': 0." in shown[1] and "'hybrid': 0." in shown[1]
    assert "5/5 trials" in shown[2] and "<nvf.Sweep 'notebook': ended>" in shown[2]
    assert "floor" in shown[3] and "trial" in shown[3]
    assert {"param fused.weight", "param linear.lr"} <= {*re.findall(r"<th>([^<]+)</th>", shown[4])}
    assert "bm25" in shown[6] and "('notebook', 1, 'champion')" in shown[7]
    assert len(shown[8].splitlines()) == 3 and "fsspec" in shown[8]
