"""What a sweep stands on, and what is said when it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nvf.journal.facts import Provenance
from nvf.sweep import ground as module
from nvf.sweep.code import ROOMS
from nvf.sweep.ground import changes, ground

FILE = "name: small\nsearch: {trials: 20}\n"


@pytest.fixture
def before() -> Provenance:
    return ground("f" * 40, FILE)


def test_nothing_changed(before: Provenance) -> None:
    assert changes(before, ground("f" * 40, FILE)) == []


def test_what_changed_is_shown(before: Provenance) -> None:
    now = ground("e" * 40, FILE.replace("20", "30"))
    code = {**now.code, "systems/linear.py": "0" * 12, "losses/new.py": "1" * 12}
    now = replace(now, versions={**now.versions, "torch": "9.9", "ray": "9.9"}, code=code)
    said = changes(before, now)
    assert [each.split(":")[0] for each in said] == ["the task", "the sweep file", "torch", "the code of nvf"]
    assert "fingerprint was ffffffffffff and is eeeeeeeeeeee" in said[0]
    assert "-search: {trials: 20}" in said[1] and "+search: {trials: 30}" in said[1]
    assert said[3].endswith("losses/new.py, systems/linear.py")


def test_a_long_difference_is_cut(before: Provenance) -> None:
    (said,) = changes(before, ground("f" * 40, "\n".join(map(str, range(100)))))
    assert len(said.splitlines()) == module.SHOWN + 2 and said.endswith("lines more")


def test_what_an_older_journal_does_not_say_is_not_compared(before: Provenance) -> None:
    now = ground("f" * 40, FILE)
    assert changes(replace(before, code={}, versions={}), now) == []


def test_an_older_journal_is_compared_by_the_rooms_that_it_knows(before: Provenance) -> None:
    now = ground("f" * 40, FILE)
    older = {name: value for name, value in before.code.items() if name.split("/")[0] in ROOMS}
    assert set(older) < set(now.code) and changes(replace(before, code=older), now) == []
    now = replace(now, code={**now.code, "losses/new.py": "1" * 12, "systems/linear.py": "0" * 12})
    (said,) = changes(replace(before, code=older), now)
    assert said.endswith("nvf: losses/new.py, systems/linear.py")
    (said,) = changes(before, replace(now, code={**before.code, "indexes/new.py": "1" * 12}))
    assert said.endswith("nvf: indexes/new.py")
