"""Docstrings of installed packages: a real corpus that every machine has.

The first paragraph of a public function's, class's or method's docstring asks for the rest of it. Splits go by package,
so that no dev or test document is ever judged in training. Sources are parsed, never imported.
"""

from __future__ import annotations

import ast
import gc
import importlib.machinery
import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nvf import seeding
from nvf.errors import TaskError
from nvf.params import param
from nvf.tasks.assemble import assemble, judged_splits, make_corpus
from nvf.tasks.base import Task
from nvf.tasks.encoding import Encoding, encoder_option, length_option
from nvf.tasks.files import encodable
from nvf.tasks.outline import Look
from nvf.tasks.sources import Source
from nvf.types import Queries

STDLIB = "stdlib"
"""Stands for the whole standard library."""
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
    "PIL": "pillow",
    "cv2": "opencv-python",
    "bs4": "beautifulsoup4",
}
"""Packages that are installed under another name than they are imported by."""
SKIPPED = frozenset(
    {
        "tests",
        "test",
        "testing",
        "_vendor",
        "vendor",
        "vendored",
        "externals",
        "idlelib",
        "lib2to3",
        "site-packages",
        "conftest.py",
    }
)
"""Folders and files that document something else than the package; so do folders whose name begins with `_`."""
QUERY_WORDS = 4
DOCUMENT_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Packages:
    """Which packages are read."""

    train: tuple[str, ...] = param(
        ("torch", "numpy", "sympy", "mlflow", "sqlalchemy", "sklearn", STDLIB),
        doc="packages to learn from; 'stdlib' is one",
    )
    dev: tuple[str, ...] = param(("pandas",), doc="packages to choose by")
    test: tuple[str, ...] = param(("networkx", "scipy"), doc="packages to confirm by")

    @property
    def splits(self) -> dict[str, tuple[str, ...]]:
        """The packages of each split; raises `TaskError` where one stands in two."""
        splits = {"train": self.train, "dev": self.dev, "test": self.test}
        seen: dict[str, str] = {}
        for split, packages in splits.items():
            for package in packages:
                if seen.setdefault(package, split) != split:
                    raise TaskError(
                        f"package '{package}' stands in {seen[package]} and in {split}; splits go by package"
                    )
        return splits

    @property
    def uncounted(self) -> dict[str, int | None]:
        """The splits that have packages, for a look: none of their docstrings is read."""
        return {split: None for split, packages in self.splits.items() if packages}

    @property
    def sources(self) -> Iterator[Path]:
        """The sources of every package."""
        return (path for package in sum(self.splits.values(), ()) for path, _ in sources(package))


@dataclass(frozen=True, kw_only=True, slots=True)
class PyDocsParams(Packages):
    """How many docstrings are drawn, and how they become vectors."""

    limit: int | None = param(
        None,
        low=10,
        high=10_000_000,
        doc="documents in total, drawn from all packages alike; null: all of them",
    )
    encoder: str = encoder_option()
    max_length: int = length_option(128)
    seed: int = param(0, low=0, high=2**31 - 1, doc="seed of the draw")


@dataclass(frozen=True, slots=True)
class Pair:
    """A docstring: its qualified name, its first paragraph, the rest."""

    name: str
    query: str
    document: str


class PyDocs(Source[PyDocsParams]):
    """Docstrings of installed packages."""

    name = "pydocs"
    summary = "docstrings of installed packages, split by package: the first paragraph asks for the rest"
    Params = PyDocsParams

    def look(self, params: PyDocsParams) -> Look:
        """Return which splits there are; whether the packages are installed is looked at, their docstrings are not."""
        list(self.inputs(params))
        return Look("pydocs", None, params.uncounted, {}, [], texts=True)

    def load(self, params: PyDocsParams) -> Task:
        """Return the task of the packages; see `Source.load`."""
        splits = _draw(find_pairs(params.splits), params)
        pairs = [pair for split in splits.values() for pair in split]
        names, asking, texts = ([getattr(pair, name) for pair in pairs] for name in ("name", "query", "document"))
        encoding = Encoding(params.encoder, params.max_length)
        corpus = make_corpus(names, encoding.vectors("corpus", names, texts), texts)
        # The ids of both sides differ: the document of a query's own id is never its answer.
        queries = Queries([f"{name}?" for name in names], encoding.vectors("queries", names, asking), asking)
        judged = {name: [(f"{pair.name}?", pair.name, 1) for pair in split] for name, split in splits.items()}
        return assemble(
            name="pydocs",
            source=self.options(params),
            corpus=corpus,
            splits=judged_splits(judged, queries, {name: row for row, name in enumerate(names)}),
            encoder=params.encoder,
            max_length=params.max_length,
        )

    def inputs(self, params: PyDocsParams) -> Iterable[Path]:
        """Return the sources of every package, and the encoder's files."""
        return (*params.sources, *Encoding(params.encoder, params.max_length).files())


def _draw(splits: dict[str, list[Pair]], params: PyDocsParams) -> dict[str, list[Pair]]:
    """Return the pairs that the limit leaves. Each pair's place in the queue is a hash of its name, so that one more
    package, or another version of one, changes little for the others."""
    if params.limit is None:
        return splits
    names = [pair.name for split in splits.values() for pair in split]
    kept = set(sorted(names, key=lambda name: (seeding.derive(params.seed, name), name))[: params.limit])
    return {name: [pair for pair in split if pair.name in kept] for name, split in splits.items()}


def find_pairs(splits: dict[str, tuple[str, ...]]) -> dict[str, list[Pair]]:
    """Return the pairs of each split's packages, in the order of their names.

    Of pairs with the same query, the same document or the same name in any split, the first is kept. Raises `TaskError`
    where a package is not installed, or has no docstrings.
    """
    seen: set[tuple[str, str]] = set()
    with collector_off():
        return {
            split: [pair for each in packages for pair in _new_pairs(each, seen)] for split, packages in splits.items()
        }


@contextmanager
def collector_off() -> Iterator[None]:
    """Stop the collector while sources are read.

    A syntax tree is a heap of small objects in which it searches for cycles in vain: half the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _new_pairs(package: str, seen: set[tuple[str, str]]) -> list[Pair]:
    new = []
    for pair in sorted(_package_pairs(package), key=lambda pair: pair.name):
        traits = {("name", pair.name), ("query", pair.query.casefold()), ("document", pair.document.casefold())}
        if not traits & seen:
            seen |= traits
            new.append(pair)
    if not new:
        raise TaskError(f"pydocs: package '{package}' has no docstrings of its own that ask and answer")
    return new


def _package_pairs(package: str) -> Iterator[Pair]:
    pairs = (_pair(name, docstring) for name, docstring in docstrings(package))
    return (pair for pair in pairs if pair is not None)


def docstrings(package: str) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, docstring) of every public function, class and method, as the sources have them.

    Raises `TaskError` where the package is not installed.
    """
    for path, module in sources(package):
        yield from _module_docstrings(path, module)


def sources(package: str) -> Iterator[tuple[Path, str]]:
    """Yield (file, qualified module name) of every Python source of a package, or of the standard library."""
    if package == STDLIB:
        base = Path(sysconfig.get_path("stdlib"))
        for name in sorted(sys.stdlib_module_names):
            if name not in SKIPPED and not name.startswith("_"):
                yield from _sources(base / name, base / f"{name}.py", base)
        return
    spec = importlib.machinery.PathFinder.find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    if spec is None or not (places or spec.origin):
        known = DISTRIBUTIONS.get(package, package)
        raise TaskError(f"package '{package}' is not installed: pip install {known}, or take it off the list")
    place = Path(places[0] if places else str(spec.origin))
    yield from _sources(place, place, place.parent)


def _sources(folder: Path, file: Path, base: Path) -> Iterator[tuple[Path, str]]:
    found = (
        sorted(folder.rglob("*.py")) if folder.is_dir() else [file] if file.suffix == ".py" and file.is_file() else []
    )
    for path in found:
        inside = path.relative_to(base)
        if not SKIPPED.intersection(inside.parts) and not any(part.startswith("_") for part in inside.parts[:-1]):
            yield path, ".".join(inside.parent.parts if inside.stem == "__init__" else inside.with_suffix("").parts)


def _module_docstrings(path: Path, module: str) -> Iterator[tuple[str, str]]:
    content = path.read_bytes()
    if b'"""' not in content and b"'''" not in content:
        return
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # templates and sources of other Pythons lie in some packages
        return
    yield from _docstrings(tree, module)


def _docstrings(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, str]]:
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        name = f"{prefix}.{child.name}"
        docstring = ast.get_docstring(child, clean=False)
        if docstring is not None:
            yield name, inspect.cleandoc(docstring)
        if isinstance(child, ast.ClassDef):
            yield from _docstrings(child, name)


def _pair(name: str, docstring: str) -> Pair | None:
    query, _, document = docstring.partition("\n\n")
    query, document = encodable(" ".join(query.split())), encodable(" ".join(document.split()))
    if len(query.split()) < QUERY_WORDS or len(document) < DOCUMENT_CHARACTERS:
        return None
    return Pair(name, query, document)
