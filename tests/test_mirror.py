"""Tests mirror the sources: whoever changes a module knows which files to run."""

from __future__ import annotations

from tests.mirror import ELSEWHERE, files_of, mirrored, modules


def test_a_module_has_tests_of_the_same_path_or_stands_in_the_list() -> None:
    here = {module for module in modules() if mirrored(module).is_file()}
    assert not {*modules()} - here - {*ELSEWHERE}, "no tests: write them, or say in tests/mirror.py where they stand"
    assert not here & {*ELSEWHERE}, "they have tests of their own by now: take them off the list"


def test_the_list_is_true() -> None:
    assert not {*ELSEWHERE} - {*modules()}, "they are gone"
    assert not [path for module in ELSEWHERE for path in files_of(module) if not path.is_file()]
