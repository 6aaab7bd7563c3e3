"""A first sweep file for data that somebody has: what `nvf init` writes."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from nvf.errors import TaskError
from nvf.tasks import tables

TEMPLATE = Path(__file__).with_name("first.yaml")
DOCSTRINGS: dict[str, Any] = {
    "source": "pydocs",
    "train": ["torch", "numpy", "sklearn", "stdlib"],
    "dev": ["pandas"],
    "test": ["networkx", "scipy"],
    "limit": 3000,
}
"""Text that is there with nvf: the task of search_spaces/quickstart.yaml."""
CARVED = {"train": 0.6, "dev": 0.2}
"""Shares of the judged queries of a BEIR folder that brings none to learn from; the rest is test."""


def file_for(data: Path | None) -> Path:
    """Return where the sweep file of some data is written if nobody says: here, with the name of the data."""
    return Path(f"{_name(data or Path('first'))}.yaml")


def first(file: Path, data: Path | None) -> str:
    """Return the text of a sweep file that searches `data`, or docstrings where there is none.

    Parameters
    ----------
    file
        Where the text will stand. The sweep is called after it; data below its folder are named as seen from there.
    data
        A folder in BEIR's layout, or a table of queries and the texts that answer them.

    Raises
    ------
    TaskError
        Where no source reads such data.
    """
    task = DOCSTRINGS if data is None else _task(data, _seen_from(file.parent, data))
    named = {"file": shlex.quote(str(file)), "source": task["source"]}
    return TEMPLATE.read_text(encoding="utf-8").format(**named, name=_yaml(_name(file)), task=_yaml(task))


def _yaml(value: Any) -> str:
    """Return a value in one line.

    >>> _yaml("2024"), _yaml({"path": "a b.csv"})
    ("'2024'", '{path: a b.csv}')
    """
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _task(data: Path, path: str) -> dict[str, Any]:
    """Return the options of the source that reads `data`, which a sweep file calls `path`."""
    if data.is_dir():
        if not (data / "corpus.jsonl").is_file():
            raise TaskError(
                f"{data} is no folder in BEIR's layout: it has no corpus.jsonl. nvf tasks lists what else is read: "
                "vectors with ids, windows of vectors, a Qdrant collection"
            )
        carved = {} if (data / "qrels" / "train.tsv").is_file() else {"split": CARVED}
        return {"source": "beir", "path": path, "encoder": "minilm", **carved}
    if not data.is_file():
        raise TaskError(f"{data} is not there: name a table of queries and texts, or a folder in BEIR's layout")
    triples = {"query", "positive"} <= {*tables.columns(data)} <= {"query", "positive", "negative"}
    source = "triples" if triples and tables.suffix(data) in tables.JSONL else "pairs"
    return {"source": source, "path": path, "encoder": "minilm"}


def _seen_from(folder: Path, data: Path) -> str:
    """Return the path of data below `folder` as seen from there, and of others whole."""
    whole = Path(os.path.abspath(data))
    below = whole.is_relative_to(os.path.abspath(folder))
    return (whole.relative_to(os.path.abspath(folder)) if below else whole).as_posix()


def _name(path: Path) -> str:
    """Return a sweep's name made of a file's.

    >>> _name(Path("data/My FAQ.csv.gz")), _name(Path("---.csv"))
    ('my-faq', 'first')
    """
    stem = path.name.partition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:64] or "first"
