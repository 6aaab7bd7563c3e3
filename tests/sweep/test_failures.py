"""Which failures are the same, and when there is one too many."""

from __future__ import annotations

import pytest

from nvf.sweep.failures import SAME, Failures

TRACE = 'Traceback (most recent call last):\n  File "/x/linear.py", line {}, in step\n{}'


def first_said(errors: list[str], system: str = "linear") -> int | None:
    """Return after how many of these errors in a row there is something to say, or None."""
    failures = Failures()
    return next((place for place, error in enumerate(errors, 1) if failures.add(system, error) is not None), None)


def test_what_fails_at_the_same_line_or_with_the_same_words_is_the_same() -> None:
    assert SAME == 3
    assert first_said([TRACE.format(7, f"IndexError: {place}") for place in range(9)]) == 3
    assert first_said([TRACE.format(place, "IndexError: 3") for place in range(9)]) is None, "another line each time"
    assert first_said([f"it took {place}.5 s and 1{place} tries" for place in range(9)]) == 3, "but for numbers"
    assert first_said([f"it took {'x' * place}" for place in range(9)]) is None
    assert first_said([TRACE.format(7, "a"), "b", TRACE.format(7, "a"), "b", "b"]) == 5


def test_it_is_where_the_error_was_raised_that_counts_and_not_where_it_passed() -> None:
    def raised(line: int) -> str:
        return f'  File "/x/loop.py", line 1, in run\n  File "/x/linear.py", line {line}, in step\nE: 1'

    assert first_said([raised(5)] * 3) == 3
    assert first_said([raised(line) for line in range(9)]) is None


def test_what_is_no_bug_does_not_end_a_sweep() -> None:
    assert first_said(["Diverged: linear diverged in epoch 1"] * 10) is None
    failures = Failures()
    for _ in range(10):
        for system in ("linear", "memory"):
            assert failures.add(system, "bug") is failures.add(system, "bug") is None, "one that ends well is between"
            failures.clear(system)


def test_systems_are_counted_apart_and_cleared_apart() -> None:
    failures = Failures()
    for _ in range(2):
        assert failures.add("linear", "bug") is failures.add("memory", "bug") is None
    failures.clear("memory")
    assert failures.add("memory", "bug") is None
    assert failures.add("linear", "bug") is not None


@pytest.mark.parametrize("error", ["bug", "first line\nbug\n", TRACE.format(7, "bug")])
def test_what_is_said_is_the_last_line(error: str) -> None:
    failures = Failures()
    said = [failures.add("linear", error) for _ in range(3)]
    assert said == [None, None, "3 trials of linear failed the same way, and so would the next: bug"]
