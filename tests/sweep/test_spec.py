"""Every mistake in a sweep file has one clear line: file, line, key, value, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvf.errors import SpecError
from nvf.spec.form import Spec
from nvf.sweep.space import Space
from nvf.sweep.spec import load
from nvf.sweep.yaml_lines import Document

GOOD = """\
name: small
task: {source: synthetic, dim: 16}
system: {choice: [linear, two_stage]}
measure: nDCG@10
fixed: {linear.batch_size: 64}
space:
  linear.lr: {log: [0.0001, 0.01]}
  linear.heads: {choice: [query, shared]}
  two_stage.reranker.kind: {choice: [difference, concatenation], when: {system: two_stage}}
start:
  - {system: linear, linear.lr: 0.001}
search: {sampler: random, trials: 4, seed: 1}
pruner: {kind: median, min_epochs: 1}
budget: {epochs: 2, time: 1h30m}
"""


def read(tmp_path: Path, text: str, *overrides: str) -> Spec:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    return load(path, list(overrides))[0]


def test_a_good_file_is_read(tmp_path: Path) -> None:
    spec = read(tmp_path, GOOD)
    assert spec.system == ("linear", "two_stage")
    assert spec.budget.time == 5400
    assert spec.space["two_stage.reranker.kind"].when == {"system": ("two_stage",)}
    assert spec.cold == 0.2
    assert Spec.model_validate(spec.model_dump(mode="json")) == spec, "the journal holds a spec as plain data"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("measure: nDCG@10", "mesure: nDCG@10", 4, "mesure: unknown key 'mesure'; did you mean 'measure'?"),
        ("trials: 4", "trails: 4", 12, "search.trails: unknown key 'trails'; did you mean 'trials'?"),
        ("trials: 4", "trials: 0", 12, "search.trials: input should be greater than or equal to 1 (it is 0)"),
        ("trials: 4", "trials: many", 12, "search.trials"),
        ("trials: 4", "trials: true", 12, "search.trials: input should be a number (it is True)"),
        (
            "source: synthetic",
            "source: synthetik",
            2,
            "'synthetik' is not a source of tasks; did you mean 'synthetic'?",
        ),
        ("dim: 16", "dims: 16", 2, "unknown parameter 'dims'; did you mean 'dim'?"),
        ("dim: 16", "dim: 1", 2, "out of bounds"),
        ("choice: [linear, two_stage]", "choice: [linear, two_stages]", 3, "did you mean 'two_stage'?"),
        ("linear.lr: {log", "linear.lrr: {log", 7, "unknown parameter 'lrr' of linear; did you mean 'lr'?"),
        ("[0.0001, 0.01]", "[0.0001, 1000]", 7, "1000.0 is out of bounds"),
        ("[0.0001, 0.01]", "[0.01, 0.0001]", 7, "is empty"),
        ("[0.0001, 0.01]", "[0, 0.01]", 7, "must begin above 0"),
        ("{log: [0.0001, 0.01]}", "0.01", 7, "write a range"),
        ("[query, shared]", "[query, sharde]", 8, "'sharde' is not one of"),
        (
            "when: {system: two_stage}",
            "when: {sistem: two_stage}",
            9,
            "unknown parameter 'sistem'; did you mean 'system'?",
        ),
        ("when: {system: two_stage}", "when: {system: twostage}", 9, "did you mean 'two_stage'?"),
        ("linear.lr: 0.001", "linear.lr: 5", 11, "5 lies outside of its range"),
        ("linear.lr: 0.001", "linear.rl: 0.001", 11, "did you mean 'linear.lr'?"),
        ("linear.batch_size: 64", "linear.batch_size: 0", 5, "out of bounds"),
        ("linear.batch_size: 64", "linear.lr: 0.1", 5, "stands in space too"),
        ("nDCG@10", "ndcg@10", 4, "did you mean 'nDCG@10'?"),
        ("nDCG@10", "[nDCG@10, R@5]", 13, "a Pareto search is not pruned"),
        ("1h30m", "soon", 14, "'soon' is not a duration"),
        ("name: small", "name: Sm all", 1, "'Sm all' is no name"),
        ("name: small\n", "", 1, "name: this key is missing"),
        ("min_epochs: 1", "min_epochs: 3", 13, "more than budget.epochs = 2"),
        ("name: small", "name: small\nname: again", 2, "stands here twice"),
        ("name: small", "name: [small", 2, "not valid YAML"),
        ("dim: 16", "dim: ${NVF_NO_SUCH}", 2, "NVF_NO_SUCH is not set"),
        ("{log: [0.0001, 0.01]}", "{int: [0.4, 10]}", 7, "[0.4, 10] are not whole numbers"),
        ("{log: [0.0001, 0.01]}", "{int: [0.4, 10], log: true}", 7, "[0.4, 10] are not whole numbers"),
        ("{log: [0.0001, 0.01]}", "{int: [1, 10.5]}", 7, "[1, 10.5] are not whole numbers"),
        ("{log: [0.0001, 0.01]}", '{float: [0.1, 1], log: "true"}', 7, "log = 'true' must be true or false"),
        ("{log: [0.0001, 0.01]}", "{float: 3, log: [0.1, 1]}", 7, "float = 3 stands beside log"),
        ("[query, shared]}", "[query, shared], step: 2}", 8, "a choice has no step"),
        ("when: {system: two_stage}", "when: {linear.heads: shard}", 9, "linear.heads is never 'shard'"),
        ("when: {system: two_stage}", "when: {linear.batch_size: 0}", 9, "linear.batch_size is never 0"),
        ("trials: 4", "trials: 010", 12, "search.trials: '010' begins with 0, which some read as octal; write 10"),
        ("trials: 4", "trials: 09", 12, "write 9, or a text in quotes"),
        ("1h30m", "1:30", 14, "budget.time: '1:30' is a number to base 60 in YAML; write a duration as 1h30m"),
        ("trials: 4", "trials: yes", 12, "'yes' is true or false to some and a text to others; write true"),
        ("[query, shared]", "[on, off]", 8, "'on' is true or false to some"),
        ("dim: 16", "dim: None", 2, "'None' is a text in YAML; write null"),
        ("trials: 4", "trials: 1_", 12, "'1_' is not written as a number is"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SpecError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert f"spec.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


ELSEWHERE = """\
evaluate:
  - {source: synthetic, dim: 16, seed: 1}
  - {source: synthetic, dim: 16, seed: 2}
"""


def test_other_tasks_are_judged_besides(tmp_path: Path) -> None:
    spec = read(tmp_path, GOOD + ELSEWHERE)
    assert [options["seed"] for options in spec.evaluate] == [1, 2]
    assert Spec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "synthetic, dim: 16, seed: 2",
            "syntetic",
            17,
            "'syntetic' is not a source of tasks; did you mean 'synthetic'?",
        ),
        ("dim: 16, seed: 2", "dims: 16", 17, "unknown parameter 'dims'; did you mean 'dim'?"),
        ("[linear, two_stage]", "[linear, two_stage, memory]", 3, "what 'memory' learns is about the documents"),
    ],
)
def test_a_mistake_in_another_task_is_named(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD + ELSEWHERE
    with pytest.raises(SpecError) as caught:
        read(tmp_path, (GOOD + ELSEWHERE).replace(old, new, 1))
    assert f"spec.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_several_mistakes_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, GOOD.replace("trials: 4", "trials: -1").replace("epochs: 2,", "epochs: none,"))
    assert len(str(caught.value).splitlines()) == 2


def test_conditions_in_a_circle_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("[0.0001, 0.01]}", "[0.0001, 0.01], when: {linear.heads: query}}")
    text = text.replace("[query, shared]}", "[query, shared], when: {linear.lr: 0.1}}")
    with pytest.raises(SpecError, match="circle"):
        read(tmp_path, text)


def test_overrides(tmp_path: Path) -> None:
    spec = read(tmp_path, GOOD, "budget.epochs=3", "task.noise=0.3", "fixed.two_stage.reranker.hidden=32", "cold=0")
    assert spec.budget.epochs == 3
    assert spec.task["noise"] == 0.3
    assert spec.fixed["two_stage.reranker.hidden"] == 32
    assert spec.cold == 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("budget.epochs=none", "with --set: budget.epochs"),
        ("budget.epoch=3", "did you mean 'epochs'?"),
        ("budget", "write it as path=value"),
        ("name.x=3", "holds no keys"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, GOOD, override)
    assert message in str(caught.value)


def test_files_that_are_no_sweep_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        load(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="is a mapping of keys"):
        read(tmp_path, "- a\n- b\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="UTF-8"):
        load(tmp_path / "binary.yaml")


def test_a_diagnosis_that_stops_is_one_there_is(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("name: a\ntask: {source: synthetic}\nsystem: linear\nstop: [embeding_collapse]\n")
    with pytest.raises(SpecError, match="spec.yaml:4: stop.*did you mean 'embedding_collapse'"):
        load(path)
    path.write_text("name: a\ntask: {source: synthetic}\nsystem: linear\nstop: memorisation\n")
    assert load(path)[0].stop == ("memorisation",)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-4", 0.0001),
        ("1E-4", 0.0001),
        ("1.e-4", 0.0001),
        ("+1e3", 1000.0),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        ("0x10", 16),
        ("0o17", 15),
        ("-0", 0),
        ("0", 0),
        ("0.5", 0.5),
        ("~", None),
        ("null", None),
        ("true", True),
        ("'010'", "010"),
        ("'1e-4'", "1e-4"),
        ('"on"', "on"),
        ("1e-4x", "1e-4x"),
        ("v1_2", "v1_2"),
        ("e5", "e5"),
    ],
)
def test_numbers_are_read_as_people_mean_them(tmp_path: Path, written: str, value: object) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(f"value: [{written}]")
    read = Document.read(path, [f"again={written}"]).data
    for found in (read["value"][0], read["again"]):
        assert (found, type(found)) == (value, type(value))


def test_powers_of_ten_are_a_range(tmp_path: Path) -> None:
    domain = read(tmp_path, GOOD.replace("[0.0001, 0.01]", "[1e-4, 1E-2]")).space["linear.lr"]
    assert (domain.low, domain.high) == (0.0001, 0.01)


@pytest.mark.parametrize(
    ("system", "space", "count"),
    [
        ("linear", "{}", 1),
        ("linear", "{heads: {choice: [query, shared]}}", 2),
        ("linear", "{heads: {choice: [query, shared]}, batch_size: {int: [8, 24], step: 8}}", 6),
        ("linear", "{batch_size: {int: [8, 24], log: true}}", 17),
        ("linear", "{temperature: {float: [0.05, 0.2], step: 0.05}}", 4),
        ("linear", "{heads: {choice: [query, shared]}, batch_size: {int: [8, 9], when: {heads: query}}}", 3),
        ("[linear, two_stage]", "{linear.heads: {choice: [query, shared]}}", 3),
        ("linear", "{lr: {log: [0.001, 0.1]}}", 50),
        ("[raw, linear]", "{linear.lr: {log: [0.001, 0.1]}}", 50),
    ],
)
def test_settings_are_counted(tmp_path: Path, system: str, space: str, count: int) -> None:
    text = f"name: few\ntask: {{source: synthetic}}\nsystem: {system}\nspace: {space}\n"
    space_ = Space(read(tmp_path, text))
    assert space_.distinct(50) == count
    said = space_.repeats(50)
    assert (said is None) == (count == 50)
    assert said is None or f"has {count} " in said
