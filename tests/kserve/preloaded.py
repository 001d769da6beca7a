"""What the processes of `containers` have imported before they begin."""

import os

from weathervane import cli  # noqa: F401
from weathervane.registry import versions
from weathervane.rollout.kserve import knative, service, standard, starting  # noqa: F401

os.environ.update(versions._MANNERS)

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
