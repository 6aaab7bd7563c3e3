from __future__ import annotations

import time

import pytest

from nvf import progress


def test_lines_come_every_few_seconds_with_an_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress.show("encoding", 4000) as advance:
        for _ in range(4):
            now[0] += 6.0
            advance(1000)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "encoding: 2,000 of 4,000, about 0:12 left\nencoding: 4,000 of 4,000, done in 0:24\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.show("encoding", 10) as advance:
        advance(10)
    out, err = capsys.readouterr()
    assert out == ""
    assert "encoding" in err and "10/10" in err


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.quiet("encoding", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")
