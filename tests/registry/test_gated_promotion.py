"""A confirmed sweep is promoted through its gates: what they refuse leaves nothing in the registry."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from nvf.errors import GateRefused, PromotionLost, UsageError
from nvf.journal.events import read
from nvf.registry.promote import promote
from nvf.registry.rollback import moves, rollback
from nvf.tracking import server
from tests.registry.conftest import confirmed

promotion = importlib.import_module("nvf.registry.promote")
RunSweep = Callable[..., Path]


def test_the_finalist_that_is_best_on_dev_passes_and_is_not_called_unconfirmed(run_sweep: RunSweep) -> None:
    confirmed(run_sweep(), {0: 0.2, 1: 0.1})
    done = promote("small")
    assert (done.trial, done.version) == (1, 1), "test chooses nothing"
    assert {verdict.outcome for verdict in done.gates} == {"passes"} and done.test is not None
    assert not any("not confirmed" in line for line in done.cautions)
    (first,) = moves("small")
    assert (first.before, first.after, first.detail.sweep, first.detail.trial) == (None, 1, "small", 1)
    assert first.detail.figures["test clean nDCG@10"] == 0.484375, "the checkpoint's own"


def test_a_refusal_leaves_nothing_and_force_is_written_down(run_sweep: RunSweep) -> None:
    folder = run_sweep()
    confirmed(folder, {0: -0.2})
    with pytest.raises(GateRefused, match=r"trial 0000 of small is not promoted\n  floors +worse +-0.2000"):
        promote("small")
    assert list(server.client().search_registered_models()) == []
    with pytest.raises(UsageError, match="--force needs a reason"):
        promote("small", force=" ")
    beside = promote("small", alias="candidate")
    assert [verdict.outcome for verdict in beside.gates if verdict.gate == "floors"] == ["worse"], "told, not asked"
    assert promote("small", force="a demo").forced == "a demo"
    assert moves("small")[0].forced == read(folder)[-1].forced == "a demo"


def test_a_trial_beside_the_finalists_is_refused(run_sweep: RunSweep) -> None:
    confirmed(run_sweep(), {0: 0.2})
    with pytest.raises(GateRefused, match="it was not confirmed on test\nconfirm  nvf confirm small --trial 1"):
        promote("small", trial=1)


def test_a_worse_one_does_not_replace_the_champion(run_sweep: RunSweep) -> None:
    """At this rate trial 1 stays where it began, far under trial 0."""
    folder = run_sweep(rates=(0.02, 1e-6))
    confirmed(folder, {0: 0.2})
    assert promote("small").trial == 0
    confirmed(folder, {1: 0.2})
    with pytest.raises(
        GateRefused, match=r"champion +worse +-0\.\d+ \[-0\.\d+, [-+]0\.\d+\] against version 1, nDCG@10"
    ):
        promote("small")
    assert len(moves("small")) == 1


@pytest.mark.parametrize("by", ["promote", "rollback"])
def test_who_looked_before_another_move_is_told_and_leaves_no_version(
    by: str, run_sweep: RunSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other moves the alias while this promotion registers its version."""
    confirmed(run_sweep(), {0: 0.2})
    for _ in range(2):
        promote("small")
    drafting = promotion.draft

    def meanwhile(*arguments: Any) -> AbstractContextManager[int]:
        monkeypatch.setattr(promotion, "draft", drafting)
        rollback("small") if by == "rollback" else promote("small")
        return drafting(*arguments)

    monkeypatch.setattr(promotion, "draft", meanwhile)
    now = 1 if by == "rollback" else 3
    with pytest.raises(PromotionLost, match=f"moved meanwhile: .* point to version {now}; look at nvf history small"):
        promote("small")
    client = server.client()
    assert int(client.get_model_version_by_alias("small", "champion").version) == now == moves("small")[-1].after
    left = {int(found.version) for found in client.search_model_versions("name='small'")}
    assert left == {1, 2, now} and len(moves("small")) == 3


def test_a_reason_that_does_not_fit_leaves_no_version(run_sweep: RunSweep) -> None:
    run_sweep()
    with pytest.raises(UsageError, match="4500 is the most: say less"):
        promote("small", force="x" * 5000)
    assert list(server.client().search_model_versions()) == []
