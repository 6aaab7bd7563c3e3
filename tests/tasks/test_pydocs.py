from __future__ import annotations

from pathlib import Path

import pytest

from nvf import tasks
from nvf.errors import TaskError
from nvf.tasks.pydocs import Pair, PyDocsParams, find_pairs, sources

BODY = "The rest says more about it, at such a length that somebody could look for it in earnest."


def function(name: str, query: str, body: str = BODY, indent: str = "") -> str:
    return f'{indent}def {name}():\n{indent}    """{query}\n\n{indent}    {body}\n{indent}    """\n'


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    files = {
        "nvf_p/__init__.py": function("first", "Return the first   of\n    all things."),
        "nvf_p/_file.py": function("second", "Return the second of all things.", BODY + " Second."),
        "nvf_p/_folder/module.py": function("third", "Return the third of all things.", BODY + " Third."),
        "nvf_p/tests/test_it.py": function("fourth", "Return the fourth of all things.", BODY + " Fourth."),
        "nvf_p/broken.py": "def (" + function("fifth", "Return the fifth of all things.", BODY + " Fifth."),
        "nvf_p/effects.py": "raise RuntimeError('imported')\n"
        + function("sixth", "Return the sixth of them.", BODY + " Sixth."),
        "nvf_p/kind.py": "class Kind:\n"
        + function("method", "Return what the kind has.", BODY + " Kind.", indent="    "),
        "nvf_p/left_out.py": function("_private", "Return what nobody should see.", BODY + " Private.")
        + function("short", "Too short.", BODY + " Short.")
        + function("bodiless", "Return something without a body.", "Nothing."),
        "nvf_p/twice.py": function("again", "Return the FIRST of all things.", BODY + " More."),
        "nvf_single.py": function("alone", "Return the one thing alone.", BODY + " Alone.")
        + function("same", "Return what is there already.", BODY + " Second."),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def test_pairs_are_public_complete_and_different(packages: Path) -> None:
    assert find_pairs({"train": ("nvf_p",), "test": ("nvf_single",)}) == {
        "train": [
            Pair("nvf_p._file.second", "Return the second of all things.", BODY + " Second."),
            Pair("nvf_p.effects.sixth", "Return the sixth of them.", BODY + " Sixth."),
            Pair("nvf_p.first", "Return the first of all things.", BODY),
            Pair("nvf_p.kind.Kind.method", "Return what the kind has.", BODY + " Kind."),
        ],
        "test": [Pair("nvf_single.alone", "Return the one thing alone.", BODY + " Alone.")],
    }


def test_packages_that_cannot_be_used_are_named(packages: Path) -> None:
    with pytest.raises(TaskError, match="'nvf_nowhere' is not installed: pip install nvf_nowhere"):
        find_pairs({"train": ("nvf_nowhere",)})
    (packages / "nvf_empty.py").write_text("x = 1\n")
    with pytest.raises(TaskError, match="'nvf_empty' has no docstrings"):
        find_pairs({"train": ("nvf_empty",)})
    with pytest.raises(TaskError, match="'json' stands in train and in test"):
        tasks.build({"source": "pydocs", "train": ["json"], "test": ["json"]})


def test_the_standard_library_is_a_package_and_has_packages() -> None:
    modules = {module for _, module in sources("stdlib")}
    assert {"json.decoder", "argparse", "os"} <= modules
    assert not any(module.split(".")[0] in ("test", "idlelib", "numpy") for module in modules)
    assert {module for _, module in sources("json")} <= modules


def test_limit_draws_the_same_pairs_again(mlruns: Path) -> None:
    options = {
        "source": "pydocs",
        "train": ["json", "logging"],
        "dev": ["unittest"],
        "test": ["datetime"],
        "limit": 40,
        "max_length": 8,
    }
    task = tasks.build(options)
    assert len(task.corpus) == sum(len(split) for split in task.splits.values()) == 40
    assert task.fingerprint == tasks.build(options).fingerprint
    other = tasks.build({**options, "limit": 44})
    assert set(task.corpus.ids) < set(other.corpus.ids)
    for name, package in (("dev", "unittest"), ("test", "datetime")):
        split = task.split(name)
        assert [query.removesuffix("?") for query in split.queries.ids] == [
            task.corpus.ids[row] for row in split.qrels.rows
        ]
        assert all(query.startswith(f"{package}.") for query in split.queries.ids)


def test_changed_sources_are_inputs(packages: Path) -> None:
    params = PyDocsParams(train=("nvf_p",), dev=("nvf_single",), test=("json",))
    inputs = set(tasks.SOURCES["pydocs"].inputs(params))
    assert {packages / "nvf_single.py", packages / "nvf_p" / "effects.py"} <= inputs
    assert any(path.name == "model.safetensors" for path in inputs)
