"""Kernel ridge regression from queries to their judgements: a closed form between attention and training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nvf.errors import TaskError
from nvf.params import param

MOST = 10_000
"""How many training queries it takes: their square is held, here 0.4 GB, and seven times that while it is solved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Params:
    """The kernel and its penalty; NFCorpus's dev is flat from 0.3 to 1 and from 0.03 to 0.2."""

    temperature: float = param(
        1.0, low=0.05, high=10.0, log=True, doc="of the kernel exp((cosine - 1) / temperature) between queries"
    )
    penalty: float = param(0.1, low=1e-4, high=100.0, log=True, doc="on the weights: more trusts single queries less")


class KernelRidge:
    """The weights by which J training queries predict what is relevant to another query.

        a(q) = (K + penalty I)^-1 k(q),    K_ij = exp((cos(q_i, q_j) - 1) / temperature), k_j(q) alike,

    so that a(q) . r is, for the judgements r (J,) of any document, the prediction of the function that fits r with the
    least squared error plus penalty times its squared norm (Saunders, Gammerman and Vovk, 1998, equation 8; one
    solution serves all documents). Unlike a softmax's, the weights may be negative, and what many similar training
    queries say counts once: they are explained away by one another.

    Parameters
    ----------
    queries
        (J, D) training queries of length 1; more than `MOST` raise `TaskError`.
    params
        Kernel and penalty.
    """

    def __init__(self, queries: Tensor, params: Params) -> None:
        if len(queries) > MOST:
            raise TaskError(
                f"a ridge over {len(queries):,} training queries would hold their square; it takes at most {MOST:,}: "
                "use recall: attention"
            )
        self._queries, self._temperature = queries, params.temperature
        kernel = self._kernel(queries).double()
        kernel.diagonal().add_(params.penalty)
        self._inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel)).float()

    def weights(self, queries: Tensor) -> Tensor:
        """Return a(q) (B, J) for queries (B, D) of length 1."""
        return self._kernel(queries) @ self._inverse

    def _kernel(self, queries: Tensor) -> Tensor:
        return ((queries @ self._queries.T - 1) / self._temperature).exp_()
