"""What `nvf search` prints: one question, a pipe of them, a prompt that stays open."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from nvf.registry.retriever import Hit

LONG = "a text that goes on " * 30


class Told:
    """A champion that knows two documents, so that what is printed can be read letter by letter."""

    def __init__(self, model: str | None, other: dict[str, Any] | None = None) -> None:
        self.model = model

    def ask(self, text: str, k: int, length: int = 200) -> list[Hit]:
        return [Hit(1, "x" * 90, 0.5, LONG[:length]), Hit(2, "b", 0.25, None)][:k]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvf.registry.search.Search", Told)


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_hits_fill_the_width_and_ids_are_whole(
    nvf: Any, told: None, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    head, text, second = nvf("search", "what?").out.splitlines()
    assert head == f"  1    0.5000  {'x' * 90}" and second == "  2    0.2500  b"
    assert len(text) == columns and text.startswith("     a text") and text.endswith("…")


def test_a_pipe_is_answered_line_by_line(nvf: Any, told: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("first?\n\n  second?  \n"))
    shown = nvf("search", "--top", "1")
    assert [line for line in shown.out.splitlines() if line.endswith("?")] == ["first?", "second?"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("first?\nsecond?\n"))
    answers = [json.loads(line) for line in nvf("search", "--top", "1", "--json").out.splitlines()]
    assert [answer["question"] for answer in answers] == ["first?", "second?"]
    assert answers[0]["hits"][0].keys() == {"rank", "id", "score", "text"}


@pytest.mark.parametrize("arguments", [(), (" ",)])
def test_no_question_is_wrong_usage(
    nvf: Any, told: None, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    ran = nvf("search", *arguments)
    assert ran.code == 2 and "nvf search 'how do I ...'" in ran.err
