"""Events as tests write them: by kind, with what does not matter filled in."""

from __future__ import annotations

from typing import Any

from nvf.journal.events import Journal
from nvf.journal.kinds import FORMAT, Event, Journaled
from nvf.journal.result import ConfirmationResult
from nvf.plain import adapter, plain

FACTS = {"name": "synthetic/uniform", "fingerprint": "f00d"}
DRAWN = {"params": {}, "chosen": {}, "distributions": {}, "seed": 0, "epochs": 3}
RECORD = {"epoch": 0, "losses": {}, "figures": {}, "diagnoses": [], "clock": {}}
PUBLISHED = {"folder": "nowhere", "digest": "d"}
RESULT = {
    "sweep": "small",
    "measure": "nDCG@10",
    "compared": "nDCG@10",
    "confirmation": 1,
    "opened": 1,
    "seeds": 3,
    "cold": 0.0,
    "queries": {"all": 50},
    "floors": {},
    "finalists": [],
}
ROW = {
    "trial": 0,
    "system": "linear",
    "seeds": 3,
    "dev": {"mean": 0.5},
    "test": {},
    "withheld": {"draws": 0, "mean": {}, "sd": {}},
    "gap": {"search_dev": None, "replicates_dev": None, "test": None},
    "latency_ms_p95": 1.0,
}
LEAK = {"same_id": 0, "same_text": 0, "near": 0, "judged": 90, "shared": 0, "queries_shared": 0, "threshold": 0.9}
DEFAULTS: dict[str, dict[str, Any]] = {
    "sweep_started": {"format": FORMAT, "sweep": "small", "objectives": ["nDCG@10"], "cold_by": "condensed"},
    "floors": {"split": "dev", "ceilings": {}},
    "trial_started": {"system": "linear", **DRAWN},
    "record": {"checkpoint": None, "decision": "continue", "attrs": {}},
    "trial_ended": {"error": None},
    "fault": {"params": {}},
    "promoted": {"forced": None},
}


def spec(**keys: Any) -> dict[str, Any]:
    """Return a sweep file with these keys."""
    return {"name": "small", "task": {"source": "synthetic"}, "system": "linear", **keys}


def finalist(**fields: Any) -> dict[str, Any]:
    """Return what was found of a finalist, with these fields."""
    champion = {"seed": 7, "checkpoint": PUBLISHED, **fields.pop("champion", {})}
    return {**ROW, **fields, "champion": {**champion, "record": RECORD | champion.get("record", {})}}


def result(**fields: Any) -> dict[str, Any]:
    """Return what a confirmation found, with these fields, those of finalists filled in."""
    whole = {**RESULT, **plain(fields)}
    whole["finalists"] = [finalist(**row) for row in whole["finalists"]]
    whole["leaks"] = [LEAK | leak for leak in whole.get("leaks", [])]
    if "champion" in whole:
        whole["champion"] = {
            "model": "small",
            "version": 1,
            "name": "models:/small/1",
            "figures": {},
            **whole["champion"],
        }
    return whole


def confirmation(**fields: Any) -> ConfirmationResult:
    """Return the same as the journal reads it."""
    read: ConfirmationResult = adapter(ConfirmationResult).validate_python(result(**fields))
    return read


def event(kind: str, **fields: Any) -> Event:
    """Return an event of this kind; fields that are missing have some value that fits."""
    whole = {"kind": kind, **DEFAULTS.get(kind, {}), **plain(fields)}
    if "spec" in whole or kind == "sweep_started":
        whole["spec"] = spec(name=whole.get("sweep", "small")) | whole.get("spec", {})
    if kind == "sweep_started":
        whole["task"] = FACTS | whole.get("task", {})
    if kind == "confirmed" and "older" not in whole["result"]:
        whole["result"] = {"cold_by": "condensed", "pairwise": [], **result(**whole["result"])}
    if kind == "record" or kind == "replicate" and whole["record"] is not None:
        whole["record"] = RECORD | whole["record"]
    read: Event = adapter(Journaled).validate_python(whole)
    return read


def write(journal: Journal, kind: str, *, sync: bool = False, **fields: Any) -> Event:
    """Append such an event to a journal, and return it as journaled."""
    return journal.append(event(kind, **fields), sync=sync)
