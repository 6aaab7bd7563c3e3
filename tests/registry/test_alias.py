from __future__ import annotations

import json
import threading

import pytest
from mlflow import MlflowClient

from nvf.errors import PromotionLost, UsageError
from nvf.plain import plain
from nvf.registry import alias as moving
from nvf.registry import named
from nvf.registry.alias import history, look, move
from nvf.registry.moves import LENGTH, Detail, Move
from nvf.registry.rollback import rollback
from nvf.tracking import names, server

MODEL, ALIAS = "m", "champion"


@pytest.fixture
def client() -> MlflowClient:
    return registered(9)


def registered(versions: int) -> MlflowClient:
    found = server.client()
    found.create_registered_model(MODEL)
    for _ in range(versions):
        found.create_model_version(MODEL, source="file:///nowhere")
    return found


def shown(client: MlflowClient) -> int:
    return int(client.get_model_version_by_alias(MODEL, ALIAS).version)


def claims(client: MlflowClient) -> list[str]:
    return [each.name for each in client.search_registered_models() if each.name != MODEL]


def test_of_eight_at_once_one_wins_and_seven_are_told(client: MlflowClient) -> None:
    move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 9, "promote")
    since, barrier, won, lost, other = look(client, MODEL, ALIAS), threading.Barrier(8), [], [], []

    def promoter(version: int) -> None:
        barrier.wait()
        try:
            won.append(move(client, MODEL, ALIAS, since, version, "promote"))
        except PromotionLost as error:
            lost.append(str(error))
        except Exception as error:  # what must not be: anything raw
            other.append(error)

    threads = [threading.Thread(target=promoter, args=(version,)) for version in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other == [] and len(won) == 1 and len(lost) == 7
    assert all(f"made it point to version {won[0].after}" in text for text in lost)
    assert history(client, MODEL, ALIAS) == [*since.moves, won[0]]
    assert (won[0].number, won[0].before, shown(client)) == (2, 9, won[0].after) and claims(client) == []


def test_a_mover_that_died_after_its_claim_is_finished_by_the_next(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> Move:
        raise KeyboardInterrupt

    since = look(client, MODEL, ALIAS)
    with monkeypatch.context() as patch:
        patch.setattr(moving, "_finish", die)
        with pytest.raises(KeyboardInterrupt):
            move(client, MODEL, ALIAS, since, 1, "promote")
    assert len(claims(client)) == 1
    with pytest.raises(PromotionLost, match="point to version 1"):
        move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 2, "promote")
    assert shown(client) == 1 and claims(client) == []
    move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 2, "promote")
    assert [(each.before, each.after) for each in history(client, MODEL, ALIAS)] == [(None, 1), (1, 2)]


def test_who_looked_long_ago_changes_nothing(client: MlflowClient) -> None:
    long_ago = look(client, MODEL, ALIAS)
    first = move(client, MODEL, ALIAS, long_ago, 1, "promote")
    with pytest.raises(PromotionLost):
        move(client, MODEL, ALIAS, long_ago, 2, "promote")
    assert history(client, MODEL, ALIAS) == [first] and shown(client) == 1 and claims(client) == []
    kept = client.get_registered_model(MODEL).tags["mlflow.nvf.move.champion.000001"]
    assert json.loads(kept) == plain(first)


def test_rollback_goes_back_and_further_back(client: MlflowClient) -> None:
    for version in (1, 2, 3):
        move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), version, "promote")
    assert rollback(MODEL, reason="slow on Mondays").after == 2 and shown(client) == 2
    assert rollback(MODEL).after == 1 and shown(client) == 1
    with pytest.raises(UsageError, match="nothing stood behind alias 'champion' of model 'm' before version 1"):
        rollback(MODEL)
    found = history(client, MODEL, ALIAS)
    assert [each.kind for each in found] == ["promote"] * 3 + ["rollback"] * 2
    assert found[3].detail == Detail(reason="slow on Mondays")
    assert [each.before for each in found[1:]] == [each.after for each in found[:-1]]


def test_rollback_to_a_deleted_version_is_refused(client: MlflowClient) -> None:
    for version in (1, 2):
        move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), version, "promote")
    client.delete_model_version(MODEL, "1")
    with pytest.raises(UsageError, match="version 1 of model 'm' was deleted"):
        rollback(MODEL)
    assert shown(client) == 2


def test_no_history_is_said(client: MlflowClient) -> None:
    with pytest.raises(UsageError, match="`nvf promote SWEEP` makes the first move"):
        rollback(MODEL)
    with pytest.raises(UsageError, match="did you mean 'm'|known: m"):
        rollback("n")


def test_a_reason_that_does_not_fit_is_refused(client: MlflowClient) -> None:
    with pytest.raises(UsageError, match="4500 is the most"):
        move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 1, "promote", forced="x" * 5000)
    assert claims(client) == []


def test_people_read_the_history_in_the_description_and_no_json_among_the_tags(client: MlflowClient) -> None:
    detail = Detail(sweep="quickstart", trial=7, system="fused", figures={"test all nDCG@10": 0.80125})
    move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 1, "promote", detail=detail)
    move(client, MODEL, "staging", look(client, MODEL, "staging"), 2, "promote", forced="a demo")
    moved = move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 3, "promote")
    found = client.get_registered_model(MODEL)
    rows = [line.replace("&emsp;", "") for line in found.description.splitlines() if line.startswith("|")]
    cells = [row.strip("| ").split(" | ")[1:6] for row in rows[2:]]
    assert cells == [
        [ALIAS, "1 to 3", "promote", "-", "-"],
        ["staging", "- to 2", "promote (forced)", "-", "-"],
        [ALIAS, "- to 1", "promote", "quickstart/0007", "test all nDCG@10 0.8013"],
    ]
    read = {name: value for name, value in found.tags.items() if not name.startswith("mlflow.")}
    assert read == {named.PROMOTED_AT: names.date(moved.at, "milliseconds")}


def test_a_description_of_somebody_s_own_stays_and_a_long_history_fits(client: MlflowClient) -> None:
    for number in range(40):
        move(client, MODEL, "a" * 200, look(client, MODEL, "a" * 200), 1 + number % 2, "promote")
    assert LENGTH - 400 < len(client.get_registered_model(MODEL).description) <= LENGTH
    client.update_registered_model(MODEL, "ours")
    move(client, MODEL, ALIAS, look(client, MODEL, ALIAS), 1, "promote")
    assert client.get_registered_model(MODEL).description == "ours" and shown(client) == 1
