"""Parameter sets: bounds are held, names are checked, and a flattened set makes the same set again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvf.errors import ParamsError
from nvf.params import REQUIRED, Bounds, bounds, flatten, make, nested, param


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    width: int = param(128, low=1, high=4096, log=True, doc="width of the layer")
    bias: bool = param(True, doc="whether there is a bias")


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    path: str = param(REQUIRED, doc="where it lies")
    temperature: float = param(0.05, low=0.001, high=1.0, log=True, doc="softmax temperature")
    slices: int = param(256, choices=(256, 512, 1024), doc="how many directions")
    rank: int | None = param(None, low=1, doc="rank of the map, or null for full")
    kind: str | None = param("a", choices=("a", "b"), doc="which one")
    margin: float = param(0.0, doc="no bounds at all")
    packages: tuple[str, ...] = param(("x",), doc="which packages")
    head: Head = nested(Head, width=64)


GIVEN = {"path": "here"}


def test_defaults_are_the_published_point_of_the_stage_that_uses_them() -> None:
    assert make(Example, GIVEN) == Example(path="here", head=Head(width=64))
    assert bounds(Example)["head.width"].default == 64
    assert bounds(Head)["width"].default == 128


def test_bounds_say_all_that_a_search_needs() -> None:
    known = bounds(Example)
    assert list(known) == [
        "path", "temperature", "slices", "rank", "kind", "margin", "packages", "head.width", "head.bias",
    ]  # fmt: skip
    assert [known[name].kind for name in known] == ["str", "float", "int", "int", "str", "float", "list", "int", "bool"]
    assert [name for name in known if known[name].optional] == ["rank", "kind"]
    assert [name for name in known if known[name].required] == ["path"]
    assert known["path"].default is None
    assert known["head.width"] == Bounds("int", 64, low=1, high=4096, log=True, doc="width of the layer")


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(ParamsError, match="'path' is missing: where it lies"):
        make(Example, {"rank": 3})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("temprature", "did you mean 'temperature'"),
        ("width", "did you mean 'head.width'"),
        ("head", "unknown parameter 'head'"),
    ],
)
def test_an_unknown_parameter_is_named_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        make(Example, {**GIVEN, name: 1})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", 1.01, r"temperature = 1.01 is out of bounds: it must lie in \[0.001, 1.0\]"),
        ("temperature", "0.1", "must be a finite number"),
        ("temperature", True, "must be a finite number"),
        ("temperature", None, "must be a finite number"),
        ("margin", math.nan, "must be a finite number"),
        ("margin", -math.inf, "must be a finite number"),
        ("margin", 10**400, "must be a finite number"),
        ("rank", 0, r"must lie in \[1, inf\]"),
        ("rank", 2.5, "must be a whole number"),
        ("slices", 257, "is not one of 256, 512, 1024"),
        ("kind", "c", "is not one of a, b"),
        ("head.bias", 1, "must be true or false"),
        ("head.width", 4097, "head.width = 4097 is out of bounds"),
        ("path", 3, "must be a text"),
        ("packages", "x", "must be a list of texts"),
        ("packages", ["x", 1], "must be a list of texts"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        make(Example, {**GIVEN, name: value})


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("rank", None, None),
        ("kind", None, None),
        ("rank", 3.0, 3),
        ("temperature", 1, 1.0),
        ("slices", 512.0, 512),
        ("packages", ["a", "b"], ("a", "b")),
        ("packages", [], ()),
    ],
)
def test_a_value_comes_back_as_its_type(name: str, value: Any, kept: Any) -> None:
    found = flatten(make(Example, {**GIVEN, name: value}))[name]
    assert found == kept
    assert type(found) is type(kept)


@given(
    st.fixed_dictionaries(
        {"path": st.text()},
        optional={
            "temperature": st.floats(0.001, 1.0),
            "rank": st.none() | st.integers(1, 10**6),
            "kind": st.sampled_from(["a", "b", None]),
            "packages": st.lists(st.text()),
            "head.width": st.integers(1, 4096),
            "head.bias": st.booleans(),
        },
    )
)
def test_a_flattened_set_makes_the_same_set(values: dict[str, Any]) -> None:
    params = make(Example, values)
    flat = flatten(params)
    assert make(Example, flat) == params
    assert list(flat) == list(bounds(Example))
    for name, value in values.items():
        assert flat[name] == (tuple(value) if isinstance(value, list) else value)
