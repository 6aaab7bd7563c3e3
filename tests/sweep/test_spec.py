"""Every mistake in a sweep file has one clear line: file, line, key, value, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from nvf.errors import SpecError
from nvf.sweep.spec import Spec, load

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
        ("trials: 4", "trials: yes", 12, "search.trials: input should be a number (it is True)"),
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
