"""The champion: a trial's checkpoint as a model version behind an alias, and how to ask it."""
