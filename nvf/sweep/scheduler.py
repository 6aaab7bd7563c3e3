"""The adapters by which Ray Tune hears the conductor: scheduler, searcher, stopper. They decide nothing themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune import Stopper
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from nvf.sweep.conductor import Conductor
from nvf.sweep.memory_kills import KilledForMemory
from nvf.sweep.trainable import REPORT


def _gone() -> None:
    """Stand for an adapter in the pickles that Tune writes and nvf never reads: the journal is the sweep."""


class _NotPickled:
    def __reduce__(self) -> Any:
        return _gone, ()


class NvfScheduler(_NotPickled, FIFOScheduler):
    """Brings every report to the conductor and its answer back."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._conductor = conductor

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Tell a trial that comes back after its worker died where to go on."""
        trial.set_config({"order": self._conductor.order(trial.config["order"].trial)})

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Tell the conductor why a worker died: `on_trial_add` comes next, where Ray begins the trial anew."""
        # Tune's own accessor looks where it will have copied the file to later on.
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
        said = str(error).strip().splitlines() or [type(error).__name__]
        scarce = isinstance(error, KilledForMemory)
        self._conductor.on_death(trial.config["order"].trial, said[0], out_of_memory=scarce)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return whether the trial goes on."""
        goes_on = self._conductor.on_report(result[REPORT])
        return FIFOScheduler.CONTINUE if goes_on else FIFOScheduler.STOP


class NvfSearcher(_NotPickled, Searcher):
    """Hands out the conductor's orders."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self._conductor = conductor
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> Any:
        """Return the next order, `FINISHED`, or None while a running trial may still be lost and come back."""
        order = self._conductor.next_order()
        if order is None:
            return Searcher.FINISHED if self._conductor.over else None
        self._numbers[trial_id] = order.trial
        return {"order": order}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the conductor of a trial that Ray gave up."""
        if error:
            self._conductor.on_lost(self._numbers[trial_id])

    def save(self, checkpoint_path: str) -> None:
        """Write nothing: the journal has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Read nothing."""


class NvfStopper(_NotPickled, Stopper):
    """Ends the run when the sweep was interrupted."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial: the scheduler does."""
        return False

    def stop_all(self) -> bool:
        """Return whether everything ends now."""
        return self._conductor.interrupted
