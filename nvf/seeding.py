"""All randomness derives from seeds by name, so that a continued run equals an undisturbed one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `derive` serves commands that never load torch
    import torch


def derive(*parts: int | str) -> int:
    """Return a seed in [0, 2**31) that depends on every part and on nothing else.

    >>> derive(0, "trial", 3) == derive(0, "trial", 3) != derive(0, "trial", 4)
    True
    """
    digest = hashlib.blake2b("\x1f".join(str(part) for part in parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % 2**31


def generator(*parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator on `device`, seeded by `derive(*parts)`."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(*parts))


@contextmanager
def forked(*parts: int | str) -> Iterator[None]:
    """Seed torch's global CPU generator by `derive(*parts)` within the block, and put it back as it was after.

    For initial weights, which torch's modules draw from the global generator.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(*parts))
        yield
