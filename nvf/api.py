"""nvf from Python: run a sweep, look at it, confirm it, promote it, ask the champion.

Nothing here prints: what goes on is logged under `nvf`, and shown as a line that renews itself in a notebook. The
commands that run, confirm, promote, stop and read sweeps call this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nvf.errors import SpecError, SweepError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from nvf.journal.leaderboard import Leaderboard, Row
    from nvf.journal.replay import SweepState
    from nvf.journal.result import ConfirmationResult
    from nvf.registry.measured import Measured
    from nvf.registry.promote import Promotion
    from nvf.registry.report import Report
    from nvf.registry.search import Search
    from nvf.registry.stop import Stopped
    from nvf.spec.form import Spec
    from nvf.sweep.driver import Result
    from nvf.sweep.yaml_lines import Document

    SpecLike = str | Path | Mapping[str, Any] | Spec
    """The path of a sweep file, what would stand in one, or that as it was checked."""
    Watch = Callable[[SweepState], None]


def run(spec: SpecLike, *, address: str | None = None, watch: Watch | None = None, **set: Any) -> Sweep:
    """Run a new sweep to its end.

    Parameters
    ----------
    spec
        The path of a sweep file, a mapping of what would stand in one, or a checked `Spec`.
    address
        A Ray cluster that is there already: `auto`, or `host:port`; None starts one on this machine.
    watch
        Called with the state after every event; by default a notebook shows it.
    **set
        Keys of the file to override, as `--set` does, with `__` for its dots: `name="mine"`, `budget__epochs=3`.

    Raises
    ------
    SpecError
        Where the file is wrong, or a sweep of its name exists.
    TaskError, SweepError, StorageError
        Where the data cannot be searched, or Ray or the storage does not answer.
    KeyboardInterrupt
        Where it was interrupted; `nvf.open(name).resume()` goes on.
    """
    loaded, document, overrides = _loaded(spec, set)
    return start(loaded, document, overrides, address=address, watch=watch).finished()


def start(
    spec: Spec, document: Document, overrides: Sequence[str], *, address: str | None = None, watch: Watch | None = None
) -> Sweep:
    """Run a sweep file that was read, with overrides as `--set` has them; an interrupted sweep is returned as well."""
    from nvf.sweep import driver

    with _shown(watch) as each:
        return Sweep._of(driver.start(spec, document.text, overrides, address=address, watch=each))


def open(name: str) -> Sweep:
    """Return the sweep called `name`; raises `UnknownName`, with the nearest one, where there is none."""
    return Sweep(name)


def floors(spec: SpecLike, split: str | None = None, **set: Any) -> Measured:
    """Return what one gets for nothing on the task of a sweep file: see `run` for `spec` and `set`.

    `split` is dev by default, or test, which may be looked at here: floors choose nothing.
    """
    from nvf.registry.measured import measured
    from nvf.spec.form import Spec

    checked = spec if isinstance(spec, Spec) and not set else _loaded(spec, set)[0]
    with _reported():
        return measured(checked, split)


def load(model: str | None = None, *, task: Mapping[str, Any] | None = None) -> Search:
    """Return a promoted model, to be asked by `search`.

    Parameters
    ----------
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `NAME`; by default the champion that was promoted last.
    task
        Options of a task as in a sweep file: its corpus is searched instead of the model's own.

    Raises
    ------
    UsageError
        Where there is no such model, or it takes vectors only.
    CheckpointError, TaskError, TrackingError
        Where a file is missing or damaged, or MLflow does not answer.
    """
    from nvf.registry.search import Search

    with _reported():
        return Search(model, task)


class Sweep:
    """A sweep by its name; its journal is read whenever it is asked for something.

    Attributes
    ----------
    name
        The sweep's.
    link
        Into the MLflow UI, where this process ran it and MLflow was reached; else None.
    behind
        How many events MLflow has not been told of, as far as this process knows: `nvf sync` closes the gap.
    """

    def __init__(self, name: str) -> None:
        """Raise `UnknownName` where there is no sweep called `name`."""
        from nvf.journal.folders import SweepFolder

        self._folder = SweepFolder.find(name)
        self.name = name
        self.link: str | None = None
        self.behind = 0

    @classmethod
    def _of(cls, result: Result) -> Self:
        made = cls(result.state.name)
        made.link, made.behind = result.link, result.behind
        return made

    def __repr__(self) -> str:
        """Say which one it is and where it stands."""
        return f"<nvf.Sweep {self.name!r}: {self.status}>"

    @property
    def state(self) -> SweepState:
        """The sweep as its journal has it."""
        return self._folder.state()

    @property
    def status(self) -> str:
        """One of running, paused, ended; died where its driver is gone without a word."""
        from nvf.registry.report import status_of

        return status_of(self._folder, self.state)

    @property
    def board(self) -> Leaderboard:
        """The trials, best first, beside floors and ceilings; `leaderboard` has it as a table."""
        from nvf.journal.leaderboard import leaderboard

        return leaderboard(self.state)

    @property
    def best(self) -> Row | None:
        """The trial at the head of the leaderboard, or None where none has a figure."""
        return next(iter(self.board.judged), None)

    def report(self) -> Report:
        """Return the leaderboard, the last confirmation, and what to do next."""
        from nvf.registry.report import report

        return report(self._folder)

    def leaderboard(self) -> pd.DataFrame:
        """Return trials, floors and ceilings, best first: a row each.

        Columns: `kind` (trial, floor, ceiling), `trial`, `system`, `outcome`, `epoch`, `value` (of the sweep's first
        measure, on dev), a figure as `all nDCG@10`, `beats_floors`, `diagnoses`. Trials without a figure are left out.
        """
        from nvf.frames import leaderboard

        return leaderboard(self.board)

    def trials(self) -> pd.DataFrame:
        """Return every trial by its number: outcome, value, what was chosen for it, seed, epochs, error."""
        from nvf.frames import trials

        return trials(self.state)

    def resume(
        self,
        *,
        trials: int | None = None,
        time: float | str | None = None,
        accept_changes: bool = False,
        allow: Sequence[str] = (),
        address: str | None = None,
        watch: Watch | None = None,
        raises: bool = True,
    ) -> Self:
        """Go on after any death, or extend what has ended; returns this sweep.

        Parameters
        ----------
        trials
            How many there shall be in all.
        time
            How long it may take from now, in seconds or as `30m`.
        accept_changes
            Whether to go on with a file, data, code or versions that have changed since.
        allow
            Classes, as `module:Class`, that the journal names and that may be imported.
        address, watch
            As of `nvf.run`.
        raises
            Whether a sweep that did not come to its end raises; else it is returned.

        Raises
        ------
        JournalError
            Where the journal is damaged, or another process is at it.
        SweepError
            Where what the sweep stands on has changed.
        KeyboardInterrupt
            Where it was interrupted.
        """
        from nvf.spec.form import seconds
        from nvf.sweep import driver

        try:
            limit = seconds(time) if isinstance(time, str) else time
        except ValueError as error:
            raise UsageError(f"time: {error}") from None
        with _shown(watch) as each:
            done = driver.resume(
                self.name, trials=trials, time=limit, accept=accept_changes, allow=allow, address=address, watch=each
            )
        self.link, self.behind = done.link, done.behind
        return self.finished() if raises else self

    def finished(self) -> Self:
        """Return this sweep; raises `KeyboardInterrupt` or `SweepError` where it did not come to its end."""
        state = self.state
        if state.reason == "interrupt":
            raise KeyboardInterrupt(f"sweep '{self.name}' was interrupted; nvf.open('{self.name}').resume() goes on")
        if state.error:
            raise SweepError(f"stopped: {state.error}; when that is mended: nvf.open('{self.name}').resume()")
        return self

    def confirm(
        self,
        *,
        top: int = 3,
        seeds: int = 5,
        trials: Sequence[int] = (),
        model: str | None = None,
        again: bool = False,
        address: str | None = None,
    ) -> ConfirmationResult:
        """Train the finalists again over seeds and judge each once on test: `nvf.registry.confirm.confirm`."""
        from nvf.registry.confirm import confirm

        with _reported():
            return confirm(self.name, top=top, seeds=seeds, trials=trials, model=model, again=again, address=address)

    def promote(
        self, *, trial: int | None = None, model: str | None = None, alias: str = "champion", force: str | None = None
    ) -> Promotion:
        """Put the best finalist through the gates and move the alias: `nvf.registry.promote.promote`."""
        from nvf.registry.promote import promote

        return promote(self._folder, trial=trial, model=model, alias=alias, force=force)

    def stop(self) -> Stopped:
        """Ask the process, or the thread of this one, that runs the sweep or confirms it to end, and return at once.

        Raises `SweepError` where nothing runs.
        """
        from nvf.registry.stop import stop

        return stop(self.name)


def _loaded(spec: SpecLike, overrides: Mapping[str, Any]) -> tuple[Spec, Document, list[str]]:
    """Return the checked spec, the document it stands in, and the overrides as `--set` has them."""
    import yaml

    from nvf.plain import plain
    from nvf.spec.form import Spec
    from nvf.sweep.spec import load as read
    from nvf.sweep.spec import validated
    from nvf.sweep.yaml_lines import Document

    try:
        texts = [
            f"{key.replace('__', '.')}={json.dumps(value, ensure_ascii=False, allow_nan=False)}"
            for key, value in overrides.items()
        ]
        if isinstance(spec, str | Path):
            return (*read(Path(spec), texts), texts)
        data = spec.model_dump(mode="json") if isinstance(spec, Spec) else plain(spec)
        document = Document(Path("the spec"), yaml.safe_dump(data, sort_keys=False, allow_unicode=True), texts)
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise SpecError(f"a spec holds texts, numbers, true, false, None, lists and mappings: {error}") from None
    return validated(document), document, texts


@contextmanager
def _reported() -> Iterator[None]:
    """Show in a notebook how far something long is."""
    from nvf import notebook
    from nvf.progress import reporting

    if not notebook.here():
        yield
        return
    with reporting(notebook.report):
        yield


@contextmanager
def _shown(watch: Watch | None) -> Iterator[Watch]:
    """Give what a driver calls with each state: `watch`, or in a notebook a line that renews itself."""
    from nvf import notebook

    with _reported():
        yield watch or (notebook.watch() if notebook.here() else lambda state: None)
