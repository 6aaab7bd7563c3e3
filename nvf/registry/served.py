"""The file that MLflow runs to serve a promoted system; it is copied into every model version."""

from mlflow.models import set_model

from nvf.registry.model import Served

set_model(Served())
