"""A device that is none: tensors that live on the CPU but say, and insist, that they live elsewhere.

What mixes them with tensors of the CPU raises as it would on a GPU, and what they yield equals what the CPU yields. So
code that forgets a `device=` fails on a machine without a GPU too. What it cannot show: other kernels, their rounding,
their memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

from nvf import devices, seeding

DEVICE = torch.device("meta")
"""What they claim: a device that torch knows everywhere and asks no driver for."""
aten = torch.ops.aten
_TENSOR = torch.tensor
_GENERATORS: dict[int, torch.Generator] = {}
"""Those that claim `DEVICE`, and draw the numbers of the CPU's, by the address that stays theirs on every way."""
ACROSS = {aten._to_copy.default, aten.copy_.default}
"""What may take tensors of two devices."""
INDEXING = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default, aten._index_put_impl_.default}
"""Their indices may lie on the CPU, whatever the device."""


class Elsewhere(torch.Tensor):
    """A tensor that claims `DEVICE`; its values lie in `held`, on the CPU."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Elsewhere:
        strides = (held.stride(), held.storage_offset()) if held.layout is torch.strided else ()
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, *strides, dtype=held.dtype, device=DEVICE, dispatch_layout=True
        )
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"Elsewhere({self.held!r})"

    def tolist(self) -> Any:
        return self.held.tolist()  # torch has it for no subclass

    def new_tensor(self, data: Any) -> torch.Tensor:
        return torch.tensor(data, dtype=self.dtype, device=DEVICE)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if func is torch.ops.prim.layout.default:
        return args[0].held.layout
    given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    if lost := [tuple(each.shape) for each in given if type(each) is not Elsewhere and each.device == DEVICE]:
        raise RuntimeError(f"{func} got tensors without values: {lost}; `Elsewhere` lacks what made them")
    away = any(isinstance(each, Elsewhere) for each in given)
    _check(func, args, given, away)
    lands = torch.device(kwargs["device"]) == DEVICE if kwargs.get("device") is not None else away
    if (generator := kwargs.get("generator")) is not None and (generator._cdata in _GENERATORS) != lands:
        raise RuntimeError(f"{func} draws from a generator of another device")
    real = {**kwargs, "device": torch.device("cpu")} if kwargs.get("device") is not None else kwargs
    held_args, held_kwargs = tree_map_only(Elsewhere, lambda each: each.held, (args, real))
    found = func(*held_args, **held_kwargs)
    if not lands:
        return found
    wrapped = tree_map_only(torch.Tensor, Elsewhere, found)
    return return_and_correct_aliasing(func, args, kwargs, wrapped)


def _check(func: Any, args: Any, given: list[torch.Tensor], away: bool) -> None:
    """Raise where tensors of two devices meet that could not on a GPU."""
    if not away or func in ACROSS:
        return
    if func in INDEXING and isinstance(args[0], Elsewhere):
        given = [each for each in (args[0], *args[2:3]) if isinstance(each, torch.Tensor)]
    number = torch.Tag.pointwise in func.tags
    strange = [each for each in given if not isinstance(each, Elsewhere) and not (number and each.dim() == 0)]
    if strange:
        raise RuntimeError(f"{func} mixes devices: {[tuple(each.shape) for each in strange]} on the CPU, others not")


def _tensor(data: Any, *, device: Any = None, **kwargs: Any) -> torch.Tensor:
    """What `torch.tensor` makes; on `DEVICE` its own has no values."""
    made = _TENSOR(data, **kwargs)
    return made if device is None else made.to(device)


def _sparse_mm(sparse: torch.Tensor, dense: torch.Tensor) -> torch.Tensor:
    """What `torch.sparse.mm` calls where its first matrix is sparse: no subclass can tell it that."""
    out = torch.zeros(len(sparse), dense.shape[1], dtype=dense.dtype, device=dense.device)
    return aten._sparse_addmm(out, sparse, dense, beta=0)


@contextmanager
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Yield a device to ask for within the block; it is the machine's GPU meanwhile."""
    plain = seeding.generator

    def generator(*parts: int | str, device: torch.device | str = "cpu") -> torch.Generator:
        if torch.device(device) != DEVICE:
            return plain(*parts, device=device)
        made = plain(*parts)
        return _GENERATORS.setdefault(made._cdata, made)

    with monkeypatch.context() as patch, warnings.catch_warnings(), _Mode():
        warnings.filterwarnings("ignore", message="for .* copying from a non-meta parameter")  # it is copied
        patch.setattr(seeding, "generator", generator)
        patch.setattr(devices, "GPU", DEVICE.type)
        patch.setattr(devices, "lacking", lambda: None)
        patch.setattr(torch, "tensor", _tensor)
        patch.setattr(torch.sparse, "mm", _sparse_mm)
        yield DEVICE
    _GENERATORS.clear()
