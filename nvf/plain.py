"""The edge to JSON: dataclasses become what it can hold, and come back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from pydantic import TypeAdapter

_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what reads and writes a type; it is made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: mappings, lists, texts, numbers; one that is not finite becomes None.

    >>> plain({"loss": float("nan"), "epochs": (1, 2)})
    {'loss': None, 'epochs': [1, 2]}
    """
    if is_dataclass(value):
        return json.loads(adapter(type(value)).dump_json(value))
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
