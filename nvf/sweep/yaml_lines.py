"""YAML that remembers on which line each key stands, so that an error can say so.

Values are texts, numbers, true, false, null, lists and mappings, built here from the parsed nodes: no tag makes
anything else, and what aliases multiply is counted as it is built.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from yaml.reader import ReaderError

from nvf import paths
from nvf.errors import SpecError, nearest
from nvf.spec.form import KeyPath
from nvf.sweep import scalars

OPEN, CLOSE = "\ue000", "\ue001"
VARIABLE = rf"{OPEN}(\w+){CLOSE}"
"""`OPEN` and `CLOSE` stand for the braces of `${NAME}` while YAML is parsed, which would take them for a mapping's."""
BYTES, VALUES, DEPTH = 1 << 18, 20_000, 20
"""The largest file that is read, how many values it may hold (an alias counts each time), and how deeply nested."""
MOST = 20
"""Problems of one file that are told at a time."""
LONGEST = 600
"""Characters of a message, beyond which its middle is left out."""
SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str")}
MAPPING, SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"


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
        self._values = 0
        try:
            node = _compose(text)
        except yaml.YAMLError as error:
            raise SpecError(self._syntax(error)) from None
        if not isinstance(node, yaml.MappingNode):
            raise SpecError(f"{path}: such a file is a mapping of keys, one `key: value` to a line; this is not one")
        self.data: dict[str, Any] = self._built(node, ())
        for override in overrides:
            self._override(override)

    @classmethod
    def read(cls, path: Path, overrides: list[str]) -> Document:
        """Return the document at `path` with each `a.b=value` of `overrides` set; raises `SpecError`."""
        try:
            with path.open("rb") as file:
                content = file.read(BYTES + 1)
        except (OSError, ValueError) as error:  # a path may hold what no path can
            raise SpecError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
        if len(content) > BYTES:
            raise SpecError(f"{path}: is longer than {BYTES:,} bytes; such a file names its data, it does not hold it")
        try:
            return cls(path, content.decode("utf-8-sig").replace("\r\n", "\n"), overrides)
        except UnicodeDecodeError:
            raise SpecError(f"{path}: is not UTF-8 text") from None

    def problem(self, at: KeyPath, message: str) -> str:
        """Return one line for the user: file, line, key, message; the middle of a very long one is left out."""
        known = at
        while known and known not in self._lines:
            known = known[:-1]
        line = self._lines.get(known, 1)
        where = f"{self.path}:{line}" if line else f"{self.path} with --set"
        return f"{where}: {_short(f'{_dotted(at)}: {message}' if at else message)}"

    def explained(self, error: ValidationError, form: type[BaseModel]) -> SpecError:
        """Return the error that tells what pydantic finds wrong with the data: a line for each problem."""
        problems = error.errors()
        lines = [self.problem(*_problem(problem, self.data, form)) for problem in problems[:MOST]]
        more = [f"{self.path}: {len(problems) - MOST:,} more problems"] if len(problems) > MOST else []
        return SpecError("\n".join([*lines, *more]))

    def _syntax(self, error: yaml.YAMLError) -> str:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        if isinstance(error, ReaderError):
            line = f":{self.text.count(chr(10), 0, error.position) + 1}"
        message = getattr(error, "problem", None) or str(error).partition("\n")[0]
        return f"{self.path}{line}: not valid YAML: {_short(message)}"

    def _built(self, node: yaml.Node, at: KeyPath) -> Any:
        """Return the value of a node, and note the lines of the keys in it."""
        self._values += 1
        if self._values > VALUES or len(at) > DEPTH:
            much = f"more than {VALUES:,} values" if self._values > VALUES else f"nested more than {DEPTH} deep"
            raise SpecError(
                self.problem(at[:3], f"holds too much: {much}, with each alias counted as what it stands for")
            )
        if isinstance(node, yaml.MappingNode) and node.tag == MAPPING:
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag == SEQUENCE:
            for place, child in enumerate(node.value):
                self._lines[*at, place] = child.start_mark.line + 1
            return [self._built(child, (*at, place)) for place, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in SCALARS:
            return self._scalar(node, at)
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        raise SpecError(
            self.problem(at, f"is read as YAML's '{kind}'; write a text in quotes, a number, a list or a mapping")
        )

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError(f"{self.path}:{line}: a key is a list or a mapping here; it must be a text")
            name = str(key.value)
            if name in mapping:
                raise SpecError(f"{self.path}:{line}: {_short(_dotted((*at, name)))}: this key stands here twice")
            self._lines[*at, name] = line
            mapping[self._writable(name, at)] = self._built(child, (*at, name))
        return mapping

    def _scalar(self, node: yaml.ScalarNode, at: KeyPath) -> Any:
        try:
            value = scalars.read(node)
        except ValueError as error:
            raise SpecError(self.problem(at, str(error))) from None
        if isinstance(value, int) and abs(value) >= 1 << 63:
            raise SpecError(self.problem(at, "is too large for a number; it must lie within 64 bits"))
        if isinstance(value, str):
            filled = re.sub(VARIABLE, lambda found: self._variable(found[1], at), value)
            return self._writable(filled, at)
        return value

    def _writable(self, text: str, at: KeyPath) -> str:
        """Return `text`, unless it holds what neither a path nor a UTF-8 file can."""
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise SpecError(self.problem(at, f"{text!r} holds a zero byte or half a character; remove it"))
        return text

    def _variable(self, name: str, at: KeyPath) -> str:
        if name == "NVF_DATA":
            return str(paths.data())
        if name not in os.environ:
            raise SpecError(self.problem(at, f"the environment variable {name} is not set; export it and try again"))
        return os.environ[name]

    def _override(self, override: str) -> None:
        name, equals, text = override.partition("=")
        if not equals or not name:
            raise SpecError(_short(f"--set {override}: write it as path=value, e.g. --set budget.epochs=3"))
        try:
            node = _compose(text)
        except yaml.YAMLError:
            raise SpecError(_short(f"--set {override}: '{text}' is not a YAML value")) from None
        *parents, last = name.split(".")
        place: Any = self.data
        for depth, parent in enumerate(parents):
            # A parameter's own name may hold dots (`fixed.reranker.hidden`): below `fixed` and `space` it is one key.
            if depth == 1 and parents[0] in ("fixed", "space"):
                last = ".".join([*parents[1:], last])
                break
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise SpecError(_short(f"--set {override}: '{parent}' holds no keys"))
        at = (*name.split(".")[: len(parents)], last)
        self._lines[at] = 0
        place[last] = None if node is None else self._built(node, at)
        self._lines.update((path, 0) for path in self._lines if path[: len(at)] == at)


def _compose(text: str) -> yaml.Node | None:
    """Return the root of the YAML in `text`, or None where there is nothing in it."""
    try:
        masked = re.sub(r"\$\{(\w+)\}", rf"{OPEN}\1{CLOSE}", text)
        node: yaml.Node | None = yaml.compose(masked, Loader=yaml.SafeLoader)
    except RecursionError:
        raise yaml.YAMLError("nested too deeply") from None
    except ValueError as error:  # an escape of a character that there is not
        raise yaml.YAMLError(str(error)) from None
    return node


def _dotted(at: KeyPath) -> str:
    return ".".join(map(str, at))


def _short(text: str) -> str:
    """Return a message as one line of bearable length, without what a terminal would obey."""
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda found: repr(found[0])[1:-1], text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


def _problem(problem: Any, data: dict[str, Any], form: Any) -> tuple[KeyPath, str]:
    """Return where a problem of pydantic's lies, and what it is."""
    at: list[str | int] = []
    place: Any = data
    for part in problem["loc"]:
        # pydantic adds the names of union members and validators to the path: keep what is really in the file.
        if isinstance(place, dict) and part in place or isinstance(place, list) and isinstance(part, int):
            place = place[part]
        elif problem["type"] != "missing":
            continue
        at.append(part)
    match problem["type"]:
        case "extra_forbidden":
            for part in at[:-1]:
                form = form.model_fields[part].annotation
            return tuple(at), f"unknown key '{at[-1]}'{nearest(str(at[-1]), form.model_fields)}"
        case "missing":
            hint = getattr(form.model_fields.get(at[0]), "description", None)
            return tuple(at), f"this key is missing: {hint}" if hint else "this key is missing"
        case "string_pattern_mismatch":
            return tuple(at), f"'{problem['input']}' is no name: use a-z, 0-9, '.', '_', '-', at most 64 of them"
    message = problem["msg"].removeprefix("Value error, ")
    shown = f" (it is {problem['input']!r})" if not isinstance(problem["input"], dict | list | tuple) else ""
    return tuple(at), message[0].lower() + message[1:] + shown
