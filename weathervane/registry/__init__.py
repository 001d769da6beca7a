"""Models by their content: packages in the object store, versions and aliases in MLflow."""
