"""Two-stage retrieval over any first stage: what one system finds, a reranker orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf import seeding
from nvf.diagnostics.stages import attribute, harmful_reranker
from nvf.errors import TaskError
from nvf.losses.list_net import list_net
from nvf.measures.fast import per_query
from nvf.params import nested, param
from nvf.systems import bm25, hybrid, linear, memory, nudge, raw, register, rerankers, soft_attention
from nvf.systems.base import Batch, Inspection, System
from nvf.systems.crossfit import CrossFit, Lists
from nvf.systems.fusion import Fusion, StageTwo
from nvf.systems.pairs import needs_pairs
from nvf.systems.reranking import RerankSystem
from nvf.tasks.base import Corpus, Split, Task
from nvf.types import FloatArray, IntArray, Queries, Ranking, as_tensor

JUDGE = "nDCG@10"
"""What the held-out queries judge a reranker by."""
FIRST: dict[str, type[System]] = {
    kind.name: kind
    for kind in (
        raw.Raw,
        bm25.BM25,
        hybrid.Hybrid,
        soft_attention.SoftAttention,
        linear.Linear,
        nudge.Nudge,
        memory.Memory,
    )
}
"""What may find the candidates."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """Which first stage, with its own parameters, and the reranker.

    Epochs 1 to `first_epochs` train a first stage that learns by epochs (fewer where it stops by itself, none where it
    does not learn so), the next ones the reranker. The defaults are NFCorpus's dev's.
    """

    first: str = param("memory", choices=tuple(FIRST), doc="what finds the candidates")
    first_epochs: int = param(5, low=1, high=10_000, log=True, doc="epochs of a first stage that learns by epochs")
    depth: int = param(50, low=2, high=1000, log=True, doc="K, how many candidates are reranked")
    folds: int = param(
        5,
        low=1,
        high=20,
        doc="parts of the training queries, each answered by a first stage that never saw it; 1: none",
    )
    scalar_lr: float = param(0.03, low=0.0, high=1.0, doc="learning rate of Adam for the weights of score and cosine")
    reranker: rerankers.Params = nested(rerankers.Params, kind="bilinear", lr=3e-4, batch_size=64, epochs=10)
    raw: raw.Params = nested(raw.Params)
    bm25: bm25.Params = nested(bm25.Params)
    hybrid: hybrid.Params = nested(hybrid.Params)
    soft_attention: soft_attention.Params = nested(soft_attention.Params)
    linear: linear.Params = nested(linear.Params)
    nudge: nudge.Params = nested(nudge.Params)
    memory: memory.Params = nested(memory.Params)


@dataclass(frozen=True, slots=True)
class FirstBatch:
    """A batch of one copy of the first stage."""

    system: System
    batch: Batch

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True)
class ListBatch:
    """B training queries with their candidates: queries (B, D) of length 1, the others as `Lists` has them."""

    queries: Tensor
    scores: Tensor
    rows: Tensor
    grades: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@register(
    "cascade",
    summary="any first stage finds K candidates, a reranker that sees its scores orders them",
    source="beyond the seeds; Wang, Lin and Metzler, 2011 (cascade ranking), Wolpert, 1992 (stacking)",
)
class Cascade(RerankSystem[Params]):
    """A first stage finds K candidates; a reranker that sees its scores orders them.

    The reranker is `nvf.systems.fusion.Fusion`, which starts at the first stage's order. It learns by ListNet, so that
    several relevant documents and their grades count, from the candidates of training queries that the first stage has
    not learned from (`nvf.systems.crossfit`). The first stage that ranks is fitted to all training queries, and is what
    it would be alone.
    """

    block = 64
    _lists: Lists | None = None
    applies_to = staticmethod(needs_pairs)

    def __init__(self, params: Params, corpus: Corpus, device: torch.device | str = "cpu") -> None:
        super().__init__(params, corpus, device)
        self.first = self._new_first()
        self._second = StageTwo(params.reranker, corpus.dim).to(self.device)
        self._copies: list[System] = []

    def prepare(self, task: Task, seed: int) -> None:
        """Prepare the first stage and its copies, hold training queries out of the reranker's, and draw it.

        Raises
        ------
        TaskError
            Where the first stage cannot work on the task.
        """
        if (reason := self.first.applies_to(task)) is not None:
            raise TaskError(f"first = {self.params.first} cannot be the first stage: {reason}; choose another")
        self._task, self._seed = task, seed
        self.first.prepare(task, seed)
        parts = 1 if self.first.role == "floor" else self.params.folds
        self._fits = CrossFit(self._new_first, task, parts, seed)
        self._copies = self._fits.copies
        with seeding.forked(self.name, seed):
            self._second = StageTwo(self.params.reranker, self.corpus.dim).to(self.device)
        self.changed()

    def epochs(self, limit: int) -> int:
        """Return the budget, or both stages' epochs where those are fewer."""
        return min(limit, self._first_epochs + int(self.params.reranker.epochs))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the groups of the first stage and its copies, then the reranker's."""
        fusion = self._second.learning
        first = [group for system in (self.first, *self._copies) for group in system.parameter_groups()]
        return [
            *(first if self._first_epochs else []),
            {"params": [*fusion.reranker.parameters()], "lr": self.params.reranker.lr},
            {"params": [fusion.weights], "lr": self.params.scalar_lr},
        ]

    def batches(self, epoch: int) -> Iterator[FirstBatch | ListBatch]:
        """Yield the batches of the first stage and its copies, later the reranker's; none once that has stopped."""
        if epoch <= self._first_epochs:
            for system in (self.first, *self._copies):
                yield from (FirstBatch(system, batch) for batch in system.batches(epoch))
            return
        if int(self._second.stale) >= self.params.reranker.patience:
            return
        if float(self._second.to_beat) < 0:
            self._judge()
        fit, _ = self._drawn()
        order = np.random.default_rng(seeding.derive("lists", self._seed, epoch)).permutation(fit)
        for start in range(0, len(order), self.params.reranker.batch_size):
            batch = self._batch(order[start : start + self.params.reranker.batch_size])
            if len(batch):
                yield batch
        self._judge()

    def losses(self, batch: FirstBatch | ListBatch) -> dict[str, Tensor]:
        """Return the first stage's own parts, or ListNet over the candidates."""
        self._stepped = batch.system if isinstance(batch, FirstBatch) else None
        if isinstance(batch, FirstBatch):
            return {f"first.{part}": loss for part, loss in batch.system.losses(batch.batch).items()}
        scores = self._second.learning.train()(batch.queries, self.unit(batch.rows), batch.scores)
        return {"rerank": list_net(scores, batch.grades)}

    def after_step(self) -> None:
        """Let the copy of the first stage that took the step do what follows it."""
        if self._stepped is not None:
            self._stepped.after_step()
            self.changed()

    def changed(self) -> None:
        """Forget the candidates of the training queries."""
        self._lists = None

    @property
    def reranks(self) -> bool:
        """Whether a reranker was kept."""
        return bool(self._second.reranks)

    def asked(self, queries: Queries) -> Tensor:
        """Return the queries at length 1."""
        return F.normalize(as_tensor(queries.vectors, self.device))

    def rerank(self, asked: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        """Return what the best reranker says."""
        return self._score(self._second.best.eval(), asked, scores, rows)

    def _score(self, fusion: Fusion, asked: Tensor, scores: Tensor, rows: Tensor) -> Tensor:
        fused: Tensor = fusion(asked, self.unit(rows), scores)
        return fused

    def inspect(self, split: Split, ranking: Ranking) -> Inspection:
        """Return what shows of the first stage, which stage the outcomes are due to, and nDCG@10 of each."""
        before, after = self.answers(split, ranking)
        first, stages = self.first.inspect(split, before), attribute(before, after, split.qrels, self._depth)
        judged = {
            f"{name}.{JUDGE.replace('@', '_at_')}": float(per_query(found, split.qrels, [JUDGE])[JUDGE].mean())
            for name, found in (("stage_one", before), ("pipeline", after))
        }
        own = {f"first.{name}": value for name, value in first.statistics.items()}
        return Inspection({**own, **stages.statistics(), **judged}, [*first.diagnoses, *harmful_reranker(stages)])

    def state(self) -> dict[str, Tensor]:
        """Return both stages and, while the first one's copies learn by epochs, what these have learned."""
        states = {"first": self.first.state(), "second": self._second.state_dict()}
        if self._first_epochs:
            modules = {f"copy{place}": copy.module() for place, copy in enumerate(self._copies)}
            states |= {name: module.state_dict() for name, module in modules.items() if module is not None}
        return {
            f"{part}.{name}": value.to("cpu", copy=True)
            for part, held in states.items()
            for name, value in held.items()
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take what `state` returned; to rank, the copies are not needed, and to train on, `prepare` has made them."""
        parts: dict[str, dict[str, Tensor]] = {"first": {}, "second": {}}
        for key, value in state.items():
            part, _, name = key.partition(".")
            parts.setdefault(part, {})[name] = value
        self.first.load_state(parts["first"])
        self._second.load_state_dict(parts["second"])
        for place, copy in enumerate(self._copies):
            copy.load_state({**copy.state(), **parts.get(f"copy{place}", {})})
        self.changed()

    @property
    def _first_epochs(self) -> int:
        return self.first.epochs(int(self.params.first_epochs))

    def _new_first(self) -> System:
        kind = FIRST[self.params.first]
        return kind(getattr(self.params, kind.name), self.corpus, self.device)

    def _found(self) -> Lists:
        """Return the candidates of every training query, searched once when the first stage is done."""
        if self._lists is None:
            self._lists = self._fits.lists(self.first, self._depth)
        return self._lists

    def _drawn(self) -> tuple[IntArray, IntArray]:
        """Return which lists the reranker learns from, and which are held out to judge it."""
        places = np.arange(len(self._found().queries))
        return rerankers.hold_out(places, self.params.reranker.held_out, self._seed)

    def _batch(self, places: IntArray) -> ListBatch:
        """Return those of the lists at `places` that hold a relevant document, and others than that."""
        lists = self._found()
        at = torch.from_numpy(places)
        at = at[(lists.grades[at] > 0).any(1).cpu()]
        vectors = self._task.train.queries.vectors[lists.queries[at.numpy()]]
        return ListBatch(
            F.normalize(as_tensor(vectors, self.device)), lists.scores[at], lists.rows[at], lists.grades[at]
        )

    def _judge(self) -> None:
        """Keep the reranker if it beats the best so far on the held-out lists, or if none are held out.

        The gate: the first stage's order stands until it is beaten by more than one standard error of the difference.
        """
        second, gated = self._second, self.params.reranker.gated
        _, held_out = self._drawn()
        first, now = (self._values(fusion, held_out) for fusion in (None, second.learning))
        if gated and len(held_out) and second.to_beat < 0:
            second.await_more_than(float(first.mean()))
            return
        margin = float((now - first).std() / len(now) ** 0.5) if len(held_out) > 1 else 0.0
        if gated and len(held_out) and float(now.mean()) <= float(first.mean()) + margin:
            second.stale += 1
        elif not len(held_out) or second.better(float(now.mean())):
            second.best.load_state_dict(second.learning.state_dict())
            second.reranks.fill_(True)

    @torch.no_grad()
    def _values(self, fusion: Fusion | None, places: IntArray) -> FloatArray:
        """Return (H,) nDCG@10 of the lists at `places` in the fusion's order, or the first stage's."""
        lists = self._found()
        train, at = self._task.train.select(lists.queries[places]), torch.from_numpy(places)
        ranking = Ranking(lists.scores[at], lists.rows[at])
        if fusion is not None:
            fusion.eval()
            scores, known = self.rescored(self.asked(train.queries), ranking, partial(self._score, fusion))
            place = scores.argsort(dim=1, descending=True, stable=True)
            ranking = Ranking(scores.gather(1, place), known.rows.gather(1, place))
        return per_query(ranking, train.qrels, [JUDGE])[JUDGE]
