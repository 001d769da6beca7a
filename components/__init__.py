"""Kubeflow Pipelines components: one file a step, unpack, one call, pack."""
