"""What the shell completes: names, read from folders and from MLflow's SQLite file; nothing heavy is imported."""

from __future__ import annotations


def sweeps(incomplete: str) -> list[str]:
    """Return the sweeps whose names begin so."""
    from nvf.journal.folders import names

    return [name for name in names() if name.startswith(incomplete)]


def models(incomplete: str) -> list[str]:
    """Return the registered models in mlruns/ whose names begin so."""
    from nvf.registry.named import known

    return [name for name in known() if name.startswith(incomplete)]


def systems(incomplete: str) -> list[str]:
    """Return the systems whose names begin so."""
    from nvf.systems import SYSTEMS

    return [name for name in SYSTEMS.known() if name.startswith(incomplete)]


def tasks(incomplete: str) -> list[str]:
    """Return the sources of tasks whose names begin so."""
    from nvf.tasks import SOURCES

    return [name for name in SOURCES.known() if name.startswith(incomplete)]
