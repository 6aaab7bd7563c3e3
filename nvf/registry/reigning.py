"""The version that reigns, beside which finalists are judged."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from nvf.errors import NvfError
from nvf.registry import named, versions
from nvf.registry.alias import look
from nvf.registry.retriever import Retriever
from nvf.systems.base import System
from nvf.tasks.base import Task
from nvf.tracking import names

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reigning:
    """A champion that can be judged on the task of a sweep: the registered model, its version, and what ranks."""

    model: str
    version: int
    system: System

    @property
    def name(self) -> str:
        """As MLflow writes it."""
        return f"models:/{self.model}/{self.version}"


def reigning(model: str, task: Task) -> Reigning | None:
    """Return the champion of `model`, or None where there is none that can be judged on `task`; why is logged.

    There may be no model of this name yet. A champion of another task is not compared.
    """
    try:
        with versions.connected() as client:
            number = look(client, model, named.ALIAS).version
            if number is None:
                return None
            version = client.get_model_version(model, str(number))
            if version.tags.get(names.FINGERPRINT) != task.fingerprint:
                log.info(f"champion: version {number} of {model} is of other data, and not compared")
                return None
            return Reigning(model, number, Retriever.of_model(versions.fetch(client, version)).system)
    except NvfError as error:
        log.warning(f"champion: not compared with that of {model}: {error}")
        return None
