"""YAML that remembers on which line each key stands, so that an error can say so."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from nvf import paths
from nvf.errors import SpecError

KeyPath = tuple[str | int, ...]
OPEN, CLOSE = "\ue000", "\ue001"
VARIABLE = rf"{OPEN}(\w+){CLOSE}|\$\{{(\w+)\}}"
"""`OPEN` and `CLOSE` stand for the braces of `${NAME}` while YAML is parsed, which would take them for a mapping's."""


class Document:
    """A YAML mapping with the line of every key.

    Attributes
    ----------
    path
        The file.
    text
        Its text.
    data
        The mapping, with `${NAME}` filled in from the environment.
    """

    def __init__(self, path: Path, text: str, overrides: list[str]) -> None:
        self.path = path
        self.text = text
        self._lines: dict[KeyPath, int] = {}
        masked = re.sub(r"\$\{(\w+)\}", rf"{OPEN}\1{CLOSE}", text)
        try:
            node = yaml.compose(masked, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            raise SpecError(self._syntax(error)) from None
        if not isinstance(node, yaml.MappingNode):
            raise SpecError(f"{path}: such a file is a mapping of keys, one `key: value` to a line; this is not one")
        self._index(node, ())
        self.data: dict[str, Any] = self._filled(yaml.safe_load(masked), ())
        for override in overrides:
            self._override(override)

    @classmethod
    def read(cls, path: Path, overrides: list[str]) -> Document:
        """Return the document at `path` with each `a.b=value` of `overrides` set; raises `SpecError`."""
        try:
            return cls(path, path.read_text(encoding="utf-8"), overrides)
        except OSError as error:
            raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise SpecError(f"{path}: is not UTF-8 text") from None

    def problem(self, at: KeyPath, message: str) -> str:
        """Return one line for the user: file, line, key, message."""
        known = at
        while known and known not in self._lines:
            known = known[:-1]
        line = self._lines.get(known, 1)
        where = f"{self.path}:{line}" if line else f"{self.path} with --set"
        return f"{where}: {'.'.join(map(str, at))}: {message}" if at else f"{where}: {message}"

    def _syntax(self, error: yaml.YAMLError) -> str:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        return f"{self.path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}"

    def _index(self, node: yaml.Node, at: KeyPath) -> None:
        for key, child, line in _children(node):
            path = (*at, key)
            if path in self._lines:
                raise SpecError(f"{self.path}:{line}: {'.'.join(map(str, path))}: this key stands here twice")
            self._lines[path] = line
            self._index(child, path)

    def _filled(self, value: Any, at: KeyPath) -> Any:
        if isinstance(value, dict):
            return {str(key): self._filled(inner, (*at, str(key))) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, (*at, place)) for place, inner in enumerate(value)]
        if isinstance(value, str):
            return re.sub(VARIABLE, lambda found: self._variable(found[1] or found[2], at), value)
        return value

    def _variable(self, name: str, at: KeyPath) -> str:
        if name == "NVF_DATA":
            return str(paths.data())
        if name not in os.environ:
            raise SpecError(self.problem(at, f"the environment variable {name} is not set; export it and try again"))
        return os.environ[name]

    def _override(self, override: str) -> None:
        name, equals, text = override.partition("=")
        if not equals or not name:
            raise SpecError(f"--set {override}: write it as path=value, e.g. --set budget.epochs=3")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise SpecError(f"--set {override}: '{text}' is not a YAML value") from None
        *parents, last = name.split(".")
        place: Any = self.data
        for depth, parent in enumerate(parents):
            # A parameter's own name may hold dots (`fixed.reranker.hidden`): below `fixed` and `space` it is one key.
            if depth == 1 and parents[0] in ("fixed", "space"):
                last = ".".join([*parents[1:], last])
                break
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise SpecError(f"--set {override}: '{parent}' holds no keys")
        at = (*name.split(".")[: len(parents)], last)
        place[last] = self._filled(value, at)
        self._lines[at] = 0


def _children(node: yaml.Node) -> Iterator[tuple[str | int, yaml.Node, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield str(key.value), child, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for place, child in enumerate(node.value):
            yield place, child, child.start_mark.line + 1
