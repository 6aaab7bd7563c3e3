"""all-MiniLM-L6-v2 in torch's own layers: for one question, what sentence-transformers imports takes longer than both.

Documents, and the queries that anything is trained or judged on, are encoded by `nvf.encoders.frozen` all the same; the
vectors here equal those to 1e-6.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nvf.types import FloatArray

PARTS = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}
"""torch's name of a layer's part -> BERT's."""


class MiniLM:
    """The encoder, with as much of `SentenceTransformer` as `nvf.encoders.frozen.Encoder` asks of it.

    `folder` is as published: config.json, tokenizer.json, model.safetensors. Texts longer than `max_seq_length` tokens,
    the two special ones included, are cut.
    """

    def __init__(self, folder: Path) -> None:
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        self.max_seq_length = 256
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_padding()  # to the longest, instead of the 128 that the file says
        weights = safetensors.torch.load_file(folder / "model.safetensors")
        self._embeddings = {name: weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position")}
        self._segment = weights["embeddings.token_type_embeddings.weight"][0]
        self._gain, self._bias = (weights[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias"))
        with torch.device("meta"):
            layer = nn.TransformerEncoderLayer(
                d_model=self.config["hidden_size"],
                nhead=self.config["num_attention_heads"],
                dim_feedforward=self.config["intermediate_size"],
                dropout=0.0,
                activation="gelu",
                layer_norm_eps=self.config["layer_norm_eps"],
                batch_first=True,
            )
            self._layers = nn.TransformerEncoder(layer, self.config["num_hidden_layers"], enable_nested_tensor=False)
        self._layers.load_state_dict(_layers(weights, self.config["num_hidden_layers"]), assign=True)
        self._layers.eval()

    def get_embedding_dimension(self) -> int:
        """Return D."""
        return int(self.config["hidden_size"])

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], *, normalize_embeddings: bool = True, show_progress_bar: bool = False
    ) -> FloatArray:
        """Return (len(texts), D) float32: the mean over a text's tokens, of length 1."""
        self._tokenizer.enable_truncation(self.max_seq_length)
        encoded = self._tokenizer.encode_batch(list(texts))
        tokens = torch.tensor([each.ids for each in encoded])
        there = torch.tensor([each.attention_mask for each in encoded], dtype=torch.bool)
        states = self._layers(self._embed(tokens), src_key_padding_mask=~there)
        mask = there.unsqueeze(-1)
        means = torch.where(mask, states, 0).sum(dim=1) / mask.sum(dim=1)
        vectors: FloatArray = (F.normalize(means) if normalize_embeddings else means).numpy()
        return vectors

    def _embed(self, tokens: Tensor) -> Tensor:
        positions = self._embeddings["position"][: tokens.shape[1]]
        summed = self._embeddings["word"][tokens] + positions + self._segment
        return F.layer_norm(summed, summed.shape[-1:], self._gain, self._bias, self.config["layer_norm_eps"])


def _layers(weights: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """Return BERT's layers under torch's names; query, key and value become one matrix."""
    named: dict[str, Tensor] = {}
    for place in range(count):
        own, theirs = f"layers.{place}", f"encoder.layer.{place}"
        for kind in ("weight", "bias"):
            whole = [weights[f"{theirs}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            named[f"{own}.self_attn.in_proj_{kind}"] = torch.cat(whole)
            for part, other in PARTS.items():
                named[f"{own}.{part}.{kind}"] = weights[f"{theirs}.{other}.{kind}"]
    return named
