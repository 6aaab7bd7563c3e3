"""Who writes a journal, for those who come second. The lock itself is the kernel's, and dies with its owner."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

FILE = "owner.json"


def sign(folder: Path) -> None:
    """Write down that this process holds the journal in `folder` now."""
    owner = {"host": platform.node(), "pid": os.getpid(), "since": round(time.time())}
    partial = folder / f".{FILE}-{os.getpid()}"
    try:
        partial.write_text(json.dumps(owner), encoding="utf-8")
        partial.replace(folder / FILE)
    except OSError:  # a full disk: the lock holds without it
        partial.unlink(missing_ok=True)


def told(folder: Path) -> str:
    """Return who holds the journal in `folder` as a text, or an empty one where nobody signed."""
    try:
        owner = json.loads((folder / FILE).read_text(encoding="utf-8"))
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(owner["since"]))
        return f"process {owner['pid']} on {owner['host']} since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
