from __future__ import annotations

import numpy as np

from nvf.encoders import frozen
from nvf.encoders.minilm import MiniLM

TEXTS = [
    "what causes gout?",
    "",
    "Ünïcödé, 漢字, emoji 🎻 and\ttabs\nand snake_case CamelCase",
    "word " * 400,
    "[MASK] and [SEP] are tokens",
]


def test_it_is_the_encoder_of_sentence_transformers() -> None:
    light, whole = MiniLM(frozen.folder("minilm")), frozen.load("minilm", 32)
    for length in (8, 32, 256, 512):
        light.max_seq_length = whole.max_length = length
        found, expected = light.encode(TEXTS), whole.encode(TEXTS)
        np.testing.assert_allclose(found, expected, atol=2e-6)
        alone = np.concatenate([light.encode([text]) for text in TEXTS])
        np.testing.assert_allclose(alone, expected, atol=2e-6)
    assert light.get_embedding_dimension() == whole.dim == 384
