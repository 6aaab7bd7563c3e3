"""Too little memory is told from other errors, and answered with half of every batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nvf.training.scarcity import halved, is_batch, out_of_memory


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("can't allocate memory"), False),
        (OSError(12, "Cannot allocate memory"), False),
    ],
)
def test_what_says_that_memory_is_short(error: BaseException, memory: bool) -> None:
    assert out_of_memory(error) is memory


def test_what_torch_itself_raises_is_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("system", "params", "half"),
    [
        ("linear", {"batch_size": 64, "lr": 0.1}, {"batch_size": 32}),
        ("linear", {"batch_size": 65}, {"batch_size": 32}),
        ("linear", {"batch_size": 1}, {}),
        ("linear", {}, {"batch_size": 64}),
        ("raw", {}, {}),
        (
            "two_stage",
            {"stage_one.batch_size": 64, "reranker.batch_size": 10},
            {"stage_one.batch_size": 32, "reranker.batch_size": 5},
        ),
    ],
)
def test_every_batch_is_halved_that_can_be(system: str, params: dict[str, Any], half: dict[str, int]) -> None:
    """A default stands where nothing is said: 128 in `linear`."""
    assert halved(system, params) == half


def test_only_a_batch_is_one() -> None:
    assert is_batch("batch_size") and is_batch("stage_one.batch_size")
    assert not any(map(is_batch, ("lr", "batch_size.lr", "my_batch_size")))
