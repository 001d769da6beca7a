"""A dataset in, SavedModel candidates and their training records out."""
