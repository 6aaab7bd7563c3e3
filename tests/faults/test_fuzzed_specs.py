"""Whatever a sweep file holds, `nvf check` ends well or says what is wrong, where: never a traceback, hang or flood."""

from __future__ import annotations

import contextlib
import copy
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from nvf.cli.sweep import check
from nvf.cluster import job
from nvf.errors import NvfError
from nvf.spec.form import Spec
from nvf.sweep.yaml_lines import BYTES, Document
from tests.faults.fuzzing import counts, holds
from tests.tracked import below

Draw = Callable[[st.SearchStrategy[Any]], Any]

FILES = below("search_spaces", ".yaml")
TEXTS = [path.read_text() for path in FILES]
HEAD = "name: a\nsystem: linear\ntask: {source: synthetic, dim: 8}\n"
SPACE = HEAD + "space: {lr: {log: [0.001, 0.01]%s}, batch_size: {int: [16, 64]%s}}\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases that multiply": BOMB,
    "merges that multiply": BOMB.replace("[x", "{<<: [*a").replace("x]", "*a]}"),
    "a list that holds itself": HEAD + "start: &a [*a]\n",
    "a mapping that holds itself": HEAD + "gates: &a {gain: *a}\n",
    "deep lists": HEAD + "start: " + "[" * 50_000,
    "deep blocks": HEAD + "start: " + "- " * 5_000,
    "a call": HEAD + "start: !!python/object/apply:os.system ['exit 9']\n",
    "a tag that nobody knows": HEAD + "start: !mine [1]\n",
    "bytes": HEAD + "fixed: {heads: !!binary gA==}\n",
    "a day that is none": HEAD.replace("8", "2020-13-45"),
    "a binary number without digits": HEAD + "cold: 0b_\n",
    "a number of 5,000 digits": HEAD + f"cold: {'9' * 5_000}\n",
    "a number of 50,000 hex digits": HEAD + f"search: {{seed: 0x{'f' * 50_000}}}\n",
    "a time without end": HEAD + f"budget: {{time: {'9' * 400}h}}\n",
    "base 60": HEAD + f"cold: {':'.join(['1', *['59'] * 400])}.5\n",
    "a key that is a list": HEAD + "? [a]\n: b\n",
    "a key of 2,000 letters": HEAD + f"{'x' * 1_000}{'y' * 1_000}: 1\n",
    "a name of 100,000 letters": HEAD.replace("name: a", f"name: {'x' * 100_000}"),
    "ten thousand mistakes": HEAD + f"evaluate: [{', '.join(['5'] * 10_000)}]\n",
    "half a character": HEAD + 'fixed: {heads: "\\ud800"}\n',
    "a zero byte in a path": 'name: a\nsystem: linear\ntask: {source: beir, path: "a\\0b"}\n',
    "colours of a terminal": HEAD.replace("name: a", 'name: "\\e[31m\\a"'),
    "markup": 'name: a\nsystem: linear\ntask: {source: beir, path: "[/red]"}\n',
    "tabs": "\tname: a\n",
    "two documents": HEAD + "---\n" + HEAD,
    "nothing": "",
    "zeros": "\0" * 100,
    "a longer file than is read": HEAD + "#" * BYTES,
    "a step of zero": SPACE % (", step: 0", ""),
    "a step that is no number": SPACE.replace("log", "float") % (", step: .nan", ""),
    "a step on a logarithmic range": SPACE % ("", ", log: true, step: 2"),
    "a range in the journal's form": HEAD + "space: {lr: {kind: float, low: 1, high: 0}}\n",
    "a first setting of 400 digits": SPACE % ("", "") + f"start: [{{lr: {'9' * 400}}}]\n",
    "a first setting that is a text": SPACE % ("", "") + "start: [{lr: '0.005'}]\n",
    "as many CPUs as there can be": HEAD + "resources: {cpu: .inf}\n",
}
JUNK = st.one_of(
    st.sampled_from(
        [None, True, "", "30q", "-5m", "1h1h", "${NVF_NO_SUCH}", "${", "linear", [], {}, [[]], {"a": {}}, "[b]"]
    ),
    st.floats(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 10**30, 1e308, 5e-324]),
    st.text(max_size=20),
    st.recursive(
        st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    ),
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([at] if at else []), *(path for key, each in inner for path in places(each, (*at, key)))]


@st.composite
def rebuilt(draw: Draw) -> bytes:
    """A real sweep file with values swapped, dropped, or under other keys."""
    number = draw(st.integers(0, len(FILES) - 1))
    data = copy.deepcopy(Document(FILES[number], TEXTS[number], []).data)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(data) or [("name",)]))
        holder = data
        for key in parents:
            holder = holder[key]
        match draw(st.sampled_from(["swap", "drop", "rename", "borrow"])):
            case "swap":
                holder[last] = draw(JUNK)
            case "drop":
                holder.pop(last, None) if isinstance(holder, dict) else holder.pop(last)
            case "rename" if isinstance(holder, dict):
                holder[draw(st.text(max_size=8) | st.sampled_from([*Spec.model_fields, f"{last}s"]))] = holder.pop(
                    last, 0
                )
            case _:
                holder[last] = copy.deepcopy(draw(st.sampled_from([*data.values()] or [0])))
    return yaml.safe_dump(data, allow_unicode=draw(st.booleans()), sort_keys=False).encode("utf-8", "surrogatepass")


@st.composite
def torn(draw: Draw) -> bytes:
    """A real sweep file whose lines were deleted, doubled, moved, cut, or overwritten with bytes."""
    lines = draw(st.sampled_from(TEXTS)).encode().splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = draw(st.integers(0, len(line)))
        junk = draw(
            st.binary(max_size=6) | st.sampled_from([b"\t", b"&a ", b"*a", b"!!", b": ", b"- ", b"{", b"]", b"'", b"%"])
        )
        made = [b"", line * 2, b"  " + line, line[:cut], line[:cut] + junk + line[cut:], line[:cut] + junk + b"\n"]
        lines[at] = draw(st.sampled_from(made))
    text = b"".join(lines)
    coded = [text, text.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + text, text[: len(text) // 2]]
    return draw(st.sampled_from(coded))


NOTHING = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.dictionaries(st.sampled_from([*Spec.model_fields]), JUNK).map(lambda data: yaml.safe_dump(data).encode()),
)


OVERRIDES = st.builds(
    "{}={}".format,
    st.sampled_from(
        ["name", "task", "task.dim", "space.lr", "space.lr.log", "search.seed", "start", "start.0", "a..b", "."]
    )
    | st.text(max_size=8),
    st.text(max_size=8) | JUNK.map(lambda value: yaml.safe_dump(value, default_flow_style=True)) | st.just(BOMB),
) | st.text(max_size=8)


def judge(path: Path, content: bytes, *overrides: str) -> str:
    """Return what `nvf check` says of the content, or an empty text where it is sound."""
    path.write_bytes(content)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            check([str(path)], list(overrides))
    except NvfError as error:
        lines = str(error).split("\n")
        named = rf"(--set .*|{re.escape(str(path))}(:\d+| with --set)?): .+"
        assert all(re.match(named, line) for line in lines), lines
        assert (
            len(lines) <= 25 and max(map(len, lines)) < 1_000 and not re.search(r"[\x00-\x09\x0b-\x1f]", str(error))
        ), lines
        assert error.exit_code == 2
        return str(error)
    return ""


@counts
@pytest.mark.parametrize("inputs", [rebuilt(), torn(), NOTHING], ids=["rebuilt", "torn", "from nothing"])
def test_only_clean_errors(mlruns: Path, tmp_path: Path, inputs: st.SearchStrategy[bytes], count: int) -> None:
    path = tmp_path / "drawn.yaml"
    holds(lambda content: judge(path, content), inputs, count)


@counts
def test_only_clean_errors_of_overrides(mlruns: Path, tmp_path: Path, count: int) -> None:
    content = (SPACE % ("", "")).encode()
    holds(lambda override: judge(tmp_path / "sound.yaml", content, override), OVERRIDES, count)


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file(mlruns: Path, tmp_path: Path, what: str) -> None:
    assert judge(tmp_path / "hostile.yaml", HOSTILE[what].encode())


CALLS = [
    "!!python/object/apply:os.mkdir ['{path}']",
    "!!python/object/new:os.mkdir ['{path}']",
    "!!python/object/apply:os.mkdir {{args: ['{path}']}}",
    "[!!python/object/apply:os.mkdir ['{path}']]",
]


@pytest.mark.parametrize("call", CALLS)
def test_reading_a_file_calls_nothing(mlruns: Path, tmp_path: Path, call: str) -> None:
    """Each of these makes a folder where an unsafe loader reads it."""
    canary = tmp_path / "sung"
    yaml.unsafe_load(call.format(path=canary))
    canary.rmdir()
    text = call.format(path=canary)
    assert "python/object" in judge(tmp_path / "hostile.yaml", f"{HEAD}start: {text}\n".encode())
    assert judge(tmp_path / "sound.yaml", HEAD.encode(), f"start={text}")
    (tmp_path / "job.yaml").write_text(f"entrypoint: {text}\n")
    with pytest.raises(NvfError, match="python/object"):
        job.read(tmp_path / "job.yaml")
    assert not canary.exists()


def test_a_folder_and_a_device_are_no_sweep_files(mlruns: Path, tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(NvfError, match="cannot be read|is longer than"):
            check([str(path)])


@pytest.mark.parametrize(
    "what", ["aliases that multiply", *(pytest.param(each, marks=pytest.mark.faults) for each in HOSTILE)]
)
def test_the_command_ends_with_2(tmp_path: Path, what: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(HOSTILE[what])
    command = [str(Path(sys.executable).with_name("nvf")), "check", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.returncode == 2, ran
    assert "Traceback" not in ran.stderr + ran.stdout
