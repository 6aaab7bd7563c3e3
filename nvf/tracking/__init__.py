"""MLflow shows a sweep: a projection of its journal, which may fall behind, lose its server or die unnoticed."""

import logging
import os

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",  # it lost 166 to 199 of 200 metrics at a normal exit
    "GIT_PYTHON_REFRESH": "quiet",
}.items():
    os.environ.setdefault(_name, _value)  # mlflow reads these when it is imported, so they come first

# It prints every failure of a database with its traceback; nvf tells what came of it in a line of its own.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
