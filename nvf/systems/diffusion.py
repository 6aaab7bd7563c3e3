"""What judged documents know, spread to the documents near them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from nvf.indexes.exact import twins
from nvf.systems.documents import Documents

BLOCK = 16_000_000
"""How many cosines between documents are held at once (64 MB)."""


@dataclass(frozen=True, slots=True)
class Diffusion:
    """The nearest judged documents of each of the N documents, itself apart.

    With A(d, .) the softmax of cos(d, d') / temperature over the m judged documents d' nearest to d, d itself left out,
    the evidence e of the M judged documents becomes

        e'(d) = share * e(d) + (1 - share) * sum over d' of A(d, d') * e(d')    where d is judged,
        e'(d) =                    novelty * sum over d' of A(d, d') * e(d')    elsewhere.

    What the neighbours know is fainter than what the document's own judgements say, and so new documents fall behind.
    There are two remedies: with a small share a judged document gets nearly what it would get had nobody judged it;
    with a novelty above 1 what the others get counts for more.

    Attributes
    ----------
    places
        (N, 1 + m) int64 places among the judged documents: its own (0 where it has none), then its neighbours'.
    cosines
        (N, m) to its neighbours, descending.
    judged
        (N,) whether it is judged itself.
    """

    places: Tensor
    cosines: Tensor
    judged: Tensor

    @classmethod
    def of(cls, documents: Documents, rows: Tensor, neighbours: int) -> Self:
        """Return the `neighbours` nearest of the judged documents at `rows` (M,), at most M - 1 of them."""
        own = torch.full((len(documents),), -1, device=rows.device)
        own[rows] = torch.arange(len(rows), device=rows.device)
        every, keys = torch.arange(len(documents), device=rows.device), documents.unit(rows)
        m = max(1, min(neighbours, len(rows) - 1))
        found = [
            _nearest(documents.unit(block), keys, own[block], m)
            for block in every.split(max(1, BLOCK // len(rows)))  # type: ignore[no-untyped-call]
        ]
        cosines, places = (torch.cat(each) for each in zip(*found, strict=True))
        # A product may give equal vectors other last bits: documents that are the same must stay so.
        new = (own < 0).nonzero().squeeze(1)
        again, first = (new[each] for each in twins(documents.vectors[new]))
        cosines[again], places[again] = cosines[first], places[first]
        return cls(torch.cat([own.clamp(min=0)[:, None], places], dim=1), cosines, own >= 0)

    def spread(self, evidence: Tensor, temperature: float | Tensor, share: float, novelty: float) -> Tensor:
        """Return e' (N, B) of evidence e (M, B)."""
        own, others = torch.where(self.judged, share, 0.0), torch.where(self.judged, 1 - share, novelty)
        near = F.softmax(self.cosines / temperature, dim=1) * others[:, None]
        weights = torch.cat([own[:, None], near], dim=1)
        return F.embedding_bag(self.places, evidence, per_sample_weights=weights, mode="sum")


def _nearest(vectors: Tensor, keys: Tensor, own: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Return cosines and places (B, m) of the nearest `keys` (M, D) to `vectors` (B, D), without that at `own` (B,)."""
    scores = vectors @ keys.T
    judged = own >= 0
    scores[judged, own[judged]] = -2.0  # under every cosine: where it is the only one, it is its own neighbour
    best, places = scores.topk(m, dim=1)
    return best, places
