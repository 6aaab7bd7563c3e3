"""What figures may depend on besides settings, code and versions: the commit that ran, and the machine it ran on."""

from __future__ import annotations

import platform
import subprocess
from typing import Any

import torch


def commit() -> dict[str, Any] | None:
    """Return the commit of the working directory, and whether it has changes; None outside of git."""
    try:
        asked = [["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
        found, changes = (
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
            for command in asked
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": found, "dirty": bool(changes)}


def machine() -> dict[str, str]:
    """Return the system, and the vector instructions by which PyTorch sums: with others the last digits differ."""
    return {"platform": platform.platform(), "instructions": torch.backends.cpu.get_cpu_capability()}
