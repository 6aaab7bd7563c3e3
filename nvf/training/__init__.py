"""One trial: the loop, its records, its checkpoints, and the floors beside it."""
