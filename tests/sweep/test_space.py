"""What is drawn under which conditions, what a drawn point stands for, and how many there are."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FixedTrial

from nvf.spec.domain import Domain
from nvf.spec.form import Misfit, Spec
from nvf.sweep.space import Space, distribution
from nvf.systems import get

BOTH = {"choice": ["linear", "soft_attention"]}
LR = {"lr": {"log": [1e-4, 1e-2]}}


def space(system: Any = "linear", space: dict[str, Any] | None = None, **keys: Any) -> Space:
    spec = {"name": "s", "task": {"source": "synthetic"}, "system": system, "space": space or {}, **keys}
    return Space(Spec.model_validate(spec))


def drawn(of: Space, **values: Any) -> list[str]:
    """Return the names that are drawn where each that is drawn gets its value; one without a value is an error."""
    trial = FixedTrial({name.replace("__", "."): value for name, value in values.items()})
    chosen = of.suggest(trial)
    assert [*chosen] == [*trial.distributions]
    return [*chosen]


def test_one_system_is_no_choice() -> None:
    assert drawn(space(space=LR), lr=0.001) == ["lr"]
    assert drawn(space(BOTH, LR), system="linear", lr=0.001) == ["system", "lr"]


def test_a_parameter_is_drawn_for_the_systems_that_have_it() -> None:
    of = space(BOTH, {"linear.heads": {"choice": ["query", "shared"]}, "rank": {"int": [4, 8]}})
    assert drawn(of, system="linear", linear__heads="query") == ["system", "linear.heads"]
    assert drawn(of, system="soft_attention", rank=4) == ["system", "rank"]


def test_a_name_of_a_systems_own_takes_the_shared_ones_place() -> None:
    of = space(BOTH, {**LR, "linear.lr": {"log": [1e-3, 1e-1]}})
    assert drawn(of, system="linear", linear__lr=0.01) == ["system", "linear.lr"]
    assert drawn(of, system="soft_attention", lr=0.001) == ["system", "lr"]


def test_a_condition_on_the_system_holds_for_that_one() -> None:
    of = space(BOTH, {"lr": {"log": [1e-4, 1e-2], "when": {"system": "linear"}}})
    assert drawn(of, system="linear", lr=0.001) == ["system", "lr"]
    assert drawn(of, system="soft_attention") == ["system"]
    alone = space("linear", {"lr": {"log": [1e-4, 1e-2], "when": {"system": ["linear"]}}})
    assert drawn(alone, lr=0.001) == ["lr"]


def test_a_condition_on_what_is_not_searched_looks_at_what_it_is() -> None:
    """`heads` is `shared` where neither the space nor `fixed` says otherwise."""
    assert get("linear").Params().heads == "shared"
    rate = {"log": [1e-4, 1e-2]}
    for fixed, there in (({}, "shared"), ({"heads": "query"}, "query"), ({"linear.heads": "query"}, None)):
        for wanted in ("shared", "query"):
            of = space("linear", {"lr": {**rate, "when": {"heads": wanted}}}, fixed=fixed)
            if there is not None:
                assert drawn(of, lr=0.001) == (["lr"] if wanted == there else []), (fixed, wanted)


def test_conditions_run_in_chains_whatever_the_order_in_the_file() -> None:
    of = space(
        "two_stage",
        {
            "reranker.lr": {"log": [1e-4, 1e-2], "when": {"depth": [5, 6]}},
            "depth": {"int": [5, 9], "when": {"training": "joint"}},
            "training": {"choice": ["separate", "joint"]},
        },
    )
    assert drawn(of, training="separate") == ["training"], "what was not drawn fulfils no condition"
    assert drawn(of, training="joint", depth=7) == ["training", "depth"]
    assert drawn(of, training="joint", depth=6, reranker__lr=0.001) == ["training", "depth", "reranker.lr"]


def test_every_condition_must_hold() -> None:
    when = {"heads": "query", "dropout": 0.5}
    of = space("linear", {"lr": {"log": [1e-4, 1e-2], "when": when}, "heads": {"choice": ["query", "shared"]}})
    assert drawn(of, heads="query") == ["heads"]
    of = space("linear", {"lr": {"log": [1e-4, 1e-2], "when": when}}, fixed={"heads": "query", "dropout": 0.5})
    assert drawn(of, lr=0.001) == ["lr"]


def test_a_drawn_point_stands_for_all_parameters_of_its_system() -> None:
    of = space(BOTH, {**LR, "linear.heads": {"choice": ["query"]}}, fixed={"batch_size": 32, "linear.batch_size": 16})
    chosen = {"system": "linear", "lr": 0.002, "linear.heads": "query"}
    setting = of.settings(chosen)
    assert (setting.system, setting.chosen) == ("linear", chosen)
    assert (setting.params["lr"], setting.params["heads"], setting.params["batch_size"]) == (0.002, "query", 16)
    assert setting.params["temperature"] == get("linear").Params().temperature, "the rest has its default"
    other = of.settings({"system": "soft_attention", "lr": 0.002})
    assert (other.system, other.params["lr"], other.params["batch_size"]) == ("soft_attention", 0.002, 32)
    assert "heads" not in other.params
    alone = space("linear", LR).settings({"lr": 0.002})
    assert (alone.system, alone.params["lr"]) == ("linear", 0.002)


DOMAINS: list[tuple[dict[str, Any], BaseDistribution]] = [
    ({"choice": ["a", None, True]}, CategoricalDistribution(["a", None, True])),
    ({"int": [1, 9]}, IntDistribution(1, 9)),
    ({"int": [1, 9], "step": 4}, IntDistribution(1, 9, step=4)),
    ({"int": [1, 9], "log": True}, IntDistribution(1, 9, log=True)),
    ({"float": [0, 1]}, FloatDistribution(0, 1)),
    ({"float": [0, 1], "step": 0.25}, FloatDistribution(0, 1, step=0.25)),
    ({"log": [0.01, 1]}, FloatDistribution(0.01, 1, log=True)),
]


@pytest.mark.parametrize(("written", "expected"), DOMAINS, ids=str)
def test_a_domain_is_optunas_distribution(written: dict[str, Any], expected: BaseDistribution) -> None:
    assert distribution(Domain.model_validate(written)) == expected


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        ({"batch_size": {"int": [16, 64], "step": 16}}, [16, 48, 64], [15, 20, 65, True, "32", 16.5]),
        ({"dropout": {"float": [0, 0.5], "step": 0.25}}, [0, 0.25, 0.5], [0.1, 0.75, -0.25, False, None]),
        ({"lr": {"log": [0.001, 0.01]}}, [0.001, 0.005, 0.01], [0.0009, 0.011, "0.005"]),
        ({"heads": {"choice": ["query", "shared"]}}, ["query", "shared"], ["separate", None]),
        ({"epochs": {"choice": [1, None]}}, [1, None], [True, 2]),
    ],
)
def test_a_setting_to_try_first_is_one_that_could_be_drawn(
    domain: dict[str, Any], inside: list[Any], outside: list[Any]
) -> None:
    (name,) = domain
    for value in inside:
        space("linear", domain, start=[{name: value}])
    for value in outside:
        with pytest.raises(Misfit, match="lies outside of its range in space") as caught:
            space("linear", domain, start=[{}, {name: value}])
        assert caught.value.at == ("start", 1, name)


COUNTED: list[tuple[Any, dict[str, Any], int]] = [
    ("linear", {}, 1),
    ("linear", {"batch_size": {"int": [1, 3], "when": {"heads": "query"}}}, 1),
    (BOTH, {}, 2),
    ("linear", {"batch_size": {"int": [16, 64], "step": 16}, "heads": {"choice": ["query", "shared"]}}, 4 * 2),
    ("linear", {"dropout": {"float": [0, 0.3], "step": 0.1}, "batch_size": {"int": [1, 5]}}, 4 * 5),
    (BOTH, {"linear.heads": {"choice": ["query", "shared"]}, "batch_size": {"int": [1, 3]}}, 2 * 3 + 3),
    (
        "linear",
        {"batch_size": {"int": [1, 3], "when": {"heads": "query"}}, "heads": {"choice": ["query", "shared"]}},
        3 + 1,
    ),
]


@pytest.mark.parametrize(("system", "domains", "count"), COUNTED)
def test_settings_are_counted(system: Any, domains: dict[str, Any], count: int) -> None:
    of = space(system, domains)
    assert [of.distinct(most) for most in (1, 2, count, count + 1, 1000)] == [1, min(2, count), count, count, count]
    assert of.repeats(count) is None
    shown = "1 setting" if count == 1 else f"{count} different settings"
    assert str(of.repeats(count + 1)).startswith(f"the space has {shown} for {count + 1} trials: trials repeat")


def test_the_count_is_that_of_all_points() -> None:
    """By trying out every combination of values: those that are drawn make up one point each."""
    domains = {"batch_size": {"int": [1, 4]}, "heads": {"choice": ["query", "shared", "separate"]}}
    domains["dropout"] = {"float": [0, 0.5], "step": 0.25, "when": {"heads": ["query", "shared"], "batch_size": 4}}
    of = space(BOTH, domains)
    points = set()
    values = product(["linear", "soft_attention"], range(1, 5), ["query", "shared", "separate"], [0, 0.25, 0.5])
    for system, size, heads, dropout in values:
        trial = FixedTrial({"system": system, "batch_size": size, "heads": heads, "dropout": dropout})
        points.add(tuple(of.suggest(trial).items()))
    assert of.distinct(1000) == len(points)


def test_a_range_without_a_step_never_runs_out() -> None:
    assert space("linear", LR).distinct(100_000) == 100_000
