"""The one interface of everything that ranks.

A system is constructed on a corpus, and then either trained or restored. The calls come in this order:

    system = Kind(params, corpus, device)
    system.prepare(task, seed)                 # once: training data, initial weights, closed-form fits
    for epoch in 1, 2, ... while epoch <= system.epochs(limit):
        for batch in system.batches(epoch):    # drawn from (seed, epoch) alone, so that a trial can be continued
            losses = system.losses(batch)      # the loop minimises their sum and logs every part
            (backward, optimiser step)
            system.after_step()                # EMA targets and the like
        system.rank(queries, k)                # whenever asked, from epoch 0 on
        system.inspect(split, ranking), system.held_out_losses(split)
    tensors = system.state()

or, anywhere else, without any training data:

    system = Kind(params, corpus, device)
    system.load_state(tensors)
    system.rank(queries, k)

Whatever differs between systems lives behind this; loop, measures, sweep and registry never ask which system it is.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, get_args

import torch
from torch import Tensor, nn
from typing_extensions import TypeVar

from nvf.tasks.base import Corpus, Split, Task
from nvf.types import Diagnosis, Queries, Ranking

P = TypeVar("P", default=Any)
Role = Literal["searched", "floor", "ceiling"]
"""What a system is for: to be searched; or what one gets for nothing, or the best there can be, measured beside."""
Batch = Any
"""What `batches` yields and `losses` takes: a matter between the two, but `len(batch)` is its number of queries."""
INSPECTED = 10
"""How many hits a query the ranking has at least that `inspect` is given."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a system says of itself on a split, besides its figures.

    Attributes
    ----------
    statistics
        Logged at every epoch, among them the figures that diagnoses are made from: they can be watched while all is
        well.
    diagnoses
        The pathologies that show.
    """

    statistics: Mapping[str, float] = field(default_factory=dict)
    diagnoses: Sequence[Diagnosis] = ()


class System(ABC, Generic[P]):
    """Something that ranks a corpus for a query.

    `class Linear(System[Params])` has the parameters `Params`.

    Parameters
    ----------
    params
        An instance of the class's `Params`.
    corpus
        The documents to rank.
    device
        Where tensors live.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    Params: ClassVar[type[Any]]
    role: ClassVar[Role] = "searched"
    diagnoses: ClassVar[tuple[str, ...]] = ()
    """The names of what `inspect` may find."""
    transfers: ClassVar[bool] = False
    """Whether what it learned can rank another corpus of the same encoder: it holds nothing about single documents."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        given = [each for base in cls.__dict__.get("__orig_bases__", ()) for each in get_args(base)]
        cls.Params = next(filter(dataclasses.is_dataclass, given), getattr(cls, "Params", None))  # type: ignore[assignment]

    def __init__(self, params: P, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        self.params = params
        self.corpus = corpus
        self.device = torch.device(device)

    @classmethod
    def applies_to(cls, task: Task) -> str | None:
        """Return None where the system can work on `task`, else why it cannot."""
        return None

    def prepare(self, task: Task, seed: int) -> None:  # noqa: B027 - some have nothing to learn
        """Take the training data (`task.train`), and draw the initial weights from `seed`."""

    @abstractmethod
    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the best `k` documents (fewer where the corpus is smaller) for each query."""

    def module(self) -> nn.Module | None:
        """Return what is learned, or None. By default `state` and `load_state` are this module's own."""
        return None

    @classmethod
    def learns(cls) -> bool:
        """Return whether there is a loss to go down, and so whether it may have epochs after 0."""
        return cls.losses is not System.losses

    def epochs(self, limit: int) -> int:
        """Return how many epochs there are when the budget is `limit`; 0 where it does not learn by epochs."""
        return limit if self.learns() else 0

    @property
    def trained(self) -> bool:
        """Whether it learns by epochs, with these parameters."""
        return self.epochs(1) > 0

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the groups that Adam is given: `{"params": [...], "lr": ..., "weight_decay": ...}`."""
        return []

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of `epoch` (1, 2, ...), the same ones whenever the seed is the same."""
        return iter(())

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted parts of the loss by name; their sum is minimised."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Do what follows an optimiser step."""
        self.changed()

    def changed(self) -> None:  # noqa: B027 - most systems keep nothing
        """Forget what follows from what is learned, which has changed: after a step, on preparing and on loading."""

    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return what shows on `split` now.

        Parameters
        ----------
        split
            Held-out queries.
        ranking
            The system's own answers to them, as `nvf.systems.ranking.rank_split` returns them, at least `INSPECTED`
            deep: whoever inspects has ranked already.
        """
        return Inspection()

    def held_out_losses(self, split: Split) -> dict[str, float]:
        """Return the parts of the loss on `split`, without dropout and without drawing from any random state.

        Empty where nothing is trained, or where the loss is not one over pairs.
        """
        return {}

    def state(self) -> dict[str, Tensor]:
        """Return a copy, on the CPU, of everything that `rank` needs besides parameters and corpus."""
        module = self.module()
        tensors = {} if module is None else module.state_dict()
        return {name: value.to("cpu", copy=True) for name, value in tensors.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take what `state` returned; raises `KeyError` or `RuntimeError` where it does not fit."""
        module = self.module()
        if module is not None:
            module.load_state_dict(state)
            module.eval()
        self.changed()
