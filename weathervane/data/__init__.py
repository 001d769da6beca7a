"""Pictures in, a manifest that can be trusted out."""
