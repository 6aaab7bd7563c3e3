"""A trained head as a sentence-transformers model: a folder that `SentenceTransformer` loads without nvf.

The encoder's own modules come first, and what was learned follows as the library's Dense and Normalize. Where queries
and documents are treated alike that is one chain; where they are not, a Router holds two, for `encode_query` and
`encode_document`. Nothing is approximated:

| in nvf | in sentence-transformers |
| --- | --- |
| x + W x | Dense: weight I + W, no bias |
| W2 gelu(W1 x + b1) + b2, standardised | Dense with GELU; Dense: W2 / s, (b2 - mean) / s, with deviations s |
| at the length sqrt(D') (l2) | Normalize: the length is the same for all, and cosines do not see it |
| as it is (n01), nearest by Euclidean distance | nothing, and the similarity "euclidean" |
| z + alpha tanh(W2 gelu(W1 z + b1) + b2) | three Dense, which carry z along by their residual connection |

A system that also orders the hits of another, or that learned something about single documents, is no head: two vectors
and their similarity cannot say what it says.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nvf.encoders import frozen
from nvf.errors import UsageError
from nvf.systems.asymmetric import Asymmetric
from nvf.systems.base import System
from nvf.systems.head import EPSILON, Head
from nvf.systems.jepa import Jepa
from nvf.systems.linear import Linear
from nvf.systems.projection import Projection
from nvf.systems.raw import Raw
from nvf.systems.respred import Correction, Respred
from nvf.tasks.base import Corpus
from nvf.types import Queries, Ranking

Chain = Sequence[Any]
"""Modules of sentence-transformers, applied one after the other to vectors of length 1."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What becomes of a vector.

    Attributes
    ----------
    query, document
        What is applied to a query's vector and to a document's.
    similarity
        What then ranks: "cosine", or "euclidean" (the nearest first).
    """

    query: Chain
    document: Chain
    similarity: str = "cosine"


def write(system: System, encoder: str, max_length: int, folder: Path) -> None:
    """Write what `system` does to the vectors of `encoder` as a sentence-transformers model.

    Parameters
    ----------
    system
        Restored.
    encoder, max_length
        Of the task that it was trained on.
    folder
        Where the model goes.

    Raises
    ------
    UsageError
        Where the system is no head.
    EncoderError
        Where the encoder cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Router

    sides = _sides(system)
    frozen.load(encoder, max_length)  # refuses what is not the encoder that it says
    own = SentenceTransformer(str(frozen.folder(encoder)), device="cpu", local_files_only=True)
    own.max_seq_length = max_length
    unit = [] if isinstance(own[-1], Normalize) else [Normalize()]
    learned = sides.query
    if sides.query is not sides.document:
        learned = [Router.for_query_document([*sides.query], [*sides.document])]
    # nvf asks the encoder without a task, so what it would say before a query must not be said here either
    prompt = own.prompts.get(own.default_prompt_name or "") or ""
    model = SentenceTransformer(
        modules=[*own, *unit, *learned],
        prompts={"query": prompt, "document": prompt},
        default_prompt_name="document" if prompt else None,
        similarity_fn_name=cast(Any, sides.similarity),
        device="cpu",
    )
    model.save(str(folder), create_model_card=False)


def is_head(kind: type[System]) -> bool:
    """Return whether systems of this kind can be written."""
    return _sides.dispatch(kind) is not _sides.dispatch(object)


def furthest(folder: Path, ranking: Ranking, queries: Queries, corpus: Corpus) -> float:
    """Return the largest difference between a score of `ranking` and the same from the texts by the model in `folder`.

    The ranking is the system's own of `queries`, which have texts as `corpus` has. The euclidean similarity
    s = -|q - d| has another scale than nvf's score (q . d - |d|^2 / 2) / D', whose order is the same; it is
    (|q|^2 - s^2) / (2 D'), and compared as that.
    """
    from sentence_transformers import SentenceTransformer

    assert queries.texts is not None and corpus.texts is not None, "a model of texts is compared by texts"
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    rows, place = ranking.rows.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    shown: dict[str, Any] = {"convert_to_tensor": True, "show_progress_bar": False}
    asked = model.encode_query([*queries.texts], **shown)
    found = model.encode_document([corpus.texts[row] for row in rows.tolist()], **shown)
    scores = model.similarity(asked, found)
    if model.similarity_fn_name == "euclidean":
        scores = (asked.square().sum(1, keepdim=True) - scores.square()) / (2 * asked.shape[1])
    return float((scores.gather(1, place) - ranking.scores).abs().max())


@functools.singledispatch
def _sides(system: System) -> Sides:
    known = ", ".join(sorted(kind.name for kind in _sides.registry if kind is not object and kind is not System))
    raise UsageError(
        f"a {system.name} cannot be a sentence-transformers model: it does more than to compare a vector of the query "
        f"with one of the document (only {known} do no more). Use it as it is: mlflow.pyfunc.load_model, "
        "`mlflow models serve`, `nvf search`; or take its answers along: --to trec"
    )


@_sides.register
def _(system: Raw) -> Sides:
    nothing: Chain = []
    return Sides(nothing, nothing)


@_sides.register
def _(system: Linear) -> Sides:
    def moved(name: str) -> Chain:
        weight = _networks(system)[name].get_parameter("weight")
        return [_dense(torch.eye(len(weight)) + weight), _normalize()]

    query = moved("query")
    documents: dict[str, Callable[[], Chain]] = {
        "query": lambda: [_normalize()],
        "shared": lambda: query,
        "separate": lambda: moved("document"),
    }
    return Sides(query, documents[system.params.heads]())


@_sides.register(Projection)
@_sides.register(Jepa)
def _(system: Projection | Jepa) -> Sides:
    both = _embedded(cast(Head, _networks(system)["head"]))
    return Sides(both, both, _similarity(system))


@_sides.register
def _(system: Asymmetric) -> Sides:
    query, document = (_embedded(cast(Head, _networks(system)[side])) for side in ("query", "document"))
    return Sides(query, document, _similarity(system))


@_sides.register
def _(system: Respred) -> Sides:
    networks = _networks(system)
    document = _embedded(cast(Head, networks["head"]))
    width = system.params.out or system.corpus.dim
    # in l2 Normalize has brought z to the length 1 already, in n01 it still has about sqrt(D')
    scale = 1.0 if system.params.formulation == "l2" else width**0.5
    query = [*document, *_corrected(cast(Correction, networks["correction"]), scale)]
    return Sides([*query, *_formulated(system.params.formulation)], document, _similarity(system))


def _networks(system: System) -> nn.ModuleDict:
    return cast(nn.ModuleDict, system.module())


def _layers(mlp: nn.Sequential) -> tuple[nn.Linear, nn.Linear]:
    first, *_, second = mlp
    return cast(nn.Linear, first), cast(nn.Linear, second)


def _similarity(system: System) -> str:
    return "cosine" if system.params.formulation == "l2" else "euclidean"


def _embedded(head: Head) -> Chain:
    """Return what a `Head` does: both layers, the standardisation within the second one, and the formulation."""
    first, second = _layers(head.mlp)
    deviation = (head.standardise.variance.double() + EPSILON).sqrt()
    weight = second.weight.double() / deviation[:, None]
    bias = (second.bias.double() - head.standardise.mean.double()) / deviation
    return [
        _dense(first.weight, first.bias, nn.GELU()),
        _dense(weight, bias),
        *_formulated(head.formulation),
    ]


def _formulated(formulation: str) -> Chain:
    return [_normalize()] if formulation == "l2" else []


def _corrected(correction: Correction, scale: float) -> Chain:
    """Return z -> z + scale * alpha * tanh(mlp(z / scale)) as three layers: (h, z), (tanh, z), and the sum of the two.

    A residual connection that changes the width has a weight of its own, (0, I) here: it brings z past gelu and tanh.
    """
    first, second = _layers(correction.mlp)
    width, hidden = first.in_features, first.out_features
    one = torch.eye(width)
    into = torch.cat([first.weight / scale, torch.zeros(width, width)])
    past = torch.cat([torch.zeros(hidden, width), one])
    through = torch.zeros(2 * width, hidden + width)
    through[:width, :hidden] = second.weight
    beside = torch.zeros(2 * width, hidden + width)
    beside[width:, hidden:] = one
    nothing = torch.zeros(width)
    return [
        _dense(into, torch.cat([first.bias, nothing]), nn.GELU(), past),
        _dense(through, torch.cat([second.bias, nothing]), nn.Tanh(), beside),
        _dense(torch.cat([scale * correction.alpha * one, one], dim=1)),
    ]


def _dense(
    weight: Tensor, bias: Tensor | None = None, activation: nn.Module | None = None, residual: Tensor | None = None
) -> Any:
    """Return activation(weight x + bias) + residual x."""
    from sentence_transformers.sentence_transformer.modules import Dense

    dense = Dense(
        weight.shape[1],
        weight.shape[0],
        bias=bias is not None,
        activation_function=activation,  # its own default is tanh, None is none
        use_residual=residual is not None,
    )
    tensors = {"linear.weight": weight, "linear.bias": bias, "residual.weight": residual}
    dense.load_state_dict({name: tensor.detach() for name, tensor in tensors.items() if tensor is not None})
    return dense


def _normalize() -> Any:
    from sentence_transformers.sentence_transformer.modules import Normalize

    return Normalize()
