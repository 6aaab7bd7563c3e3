"""Addresses without their secrets: whatever prints, journals or tags an address takes it from here."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^\s/'\"@:]*(?::(?!\d+/)[^\s'\"]*)?@")
"""A password may hold `/` and `@`; a port with a path behind it is none."""
_SECRET = r"[\w.-]*(?:password|passwd|pwd|secret|token|signature|credential|access_?key|api_?key)[\w.-]*|sig|key"
_QUERY = re.compile(rf"(?<=[?&])({_SECRET})=[^&\s'\"]*", re.IGNORECASE)


def safe(text: str) -> str:
    """Return `text` without the user, the password and the keys of any address in it.

    >>> safe("no answer from https://ann:secret@mlflow.example/x")
    'no answer from https://mlflow.example/x'
    >>> safe("postgresql://db/mlflow?user=ann&password=secret")
    'postgresql://db/mlflow?user=ann&password=***'
    """
    return _QUERY.sub(r"\1=***", _CREDENTIALS.sub("", text))
