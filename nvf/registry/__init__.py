"""The champion: a trial's checkpoint as a model version behind an alias, and how to ask it."""

import nvf.tracking  # noqa: F401 - mlflow reads the settings made there when it is imported
