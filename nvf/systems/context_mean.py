"""The mean of the context: what predicts the next vector without training anything."""

from __future__ import annotations

from torch.nn import functional as F  # noqa: N812

from nvf.systems import register
from nvf.systems.raw import Raw
from nvf.systems.windows import as_windows, needs_windows
from nvf.types import Queries, Ranking


@register(
    "context_mean",
    summary="cosine of the mean of the C context vectors",
    source="seed 003",
)
class ContextMean(Raw):
    """Cosine of mean(q_1, ..., q_C), the linear average that beat most trained models of the research notes."""

    applies_to = staticmethod(needs_windows)

    def rank(self, queries: Queries, k: int) -> Ranking:
        """Return the documents nearest to the mean."""
        mean = as_windows(queries.vectors, self.device).mean(1)
        return self.documents.search(F.normalize(mean), k)
