"""The sweep itself: an append-only file of events. MLflow, the Optuna study and the leaderboard are views of it."""
