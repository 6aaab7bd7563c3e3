"""What figures may depend on besides settings, code and versions: the commit that ran, and the machine it ran on."""

from __future__ import annotations

import platform
import subprocess

import torch

from nvf.journal.facts import Git


def commit() -> Git | None:
    """Return the commit of the working directory, and whether it has changes; None outside of git."""
    try:
        asked = [["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
        found, changes = (
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
            for command in asked
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Git(found, bool(changes))


def machine() -> dict[str, str]:
    """Return the system, and the vector instructions by which PyTorch sums: with others the last digits differ."""
    return {"platform": platform.platform(), "instructions": torch.backends.cpu.get_cpu_capability()}
