from __future__ import annotations

import json
from pathlib import Path

from nvf import paths
from nvf.journal.events import Journal, read
from nvf.journal.replay import replay
from nvf.tracking import server, views
from nvf.tracking.sync import sync
from tests.tracking import journals


def saved() -> dict[str, str]:
    mlflow = server.client()
    tags = mlflow.get_experiment(server.experiment(mlflow)).tags
    return {tag.removeprefix(views.TAG): text for tag, text in tags.items() if tag.startswith(views.TAG)}


def test_each_sweep_has_its_views_and_saving_again_replaces_them() -> None:
    for name in ("one", "two"):
        journals.sweep(paths.sweep(name), name=name)
        sync(paths.sweep(name))
    once = saved()
    assert {json.loads(text)["name"] for text in once.values()} == {
        f"{name}: {view}" for name in ("one", "two") for view in views.MODES
    }
    sync(paths.sweep("one"))
    assert saved() == once


def test_the_link_opens_the_leaderboard_of_this_sweep_best_first() -> None:
    folder = paths.sweep(journals.NAME)
    journals.sweep(folder)
    link = sync(folder).link
    state = replay(read(folder))
    place = views.view_id(state.name, state.started["t"], "leaderboard")
    assert f"viewStateShareKey={place}&" in link and link.endswith("compareRunsMode=TABLE")
    view = json.loads(json.loads(saved()[place])["state"])
    assert view["orderByKey"] == "metrics.`best/nDCG_at_10`" and view["orderByAsc"] is False
    assert view["searchFilter"].startswith("tags.`nvf.sweep` = 'lexical-gap' and tags.`mlflow.parentRunId` = '")
    assert view["selectedColumns"] == [
        "metrics.`best/nDCG_at_10`",
        "metrics.`best_cold/nDCG_at_10`",
        "metrics.`best_clean/nDCG_at_10`",
        "metrics.`best/R_at_5`",
        "params.`system`",
        "params.`rank`",
        "params.`temperature`",
        "tags.`nvf.outcome`",
        "tags.`nvf.diagnoses`",
    ]


def test_views_of_many_long_parameters_fit(mlruns: Path) -> None:
    folder = paths.sweep(journals.NAME)
    with Journal.create(folder) as journal:
        journals.start(journal, objectives=("cold nDCG@10", "latency_ms_p95"))
        journal.append(
            "trial_started",
            trial=0,
            system="linear",
            params={},
            chosen={f"reranker.a_rather_long_name_of_a_parameter_{place}": 1 for place in range(60)},
            distributions={},
            seed=0,
            epochs=1,
        )
    sync(folder)
    assert len(saved()) == 4
    assert max(map(len, saved().values())) < views.LENGTH
