"""The platform of one machine: store, MLflow, gateway and predictors as processes on loopback."""
