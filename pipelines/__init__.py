"""The training and release pipelines, compiled to YAML, and what runs them."""
