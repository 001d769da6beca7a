"""Weathervane: retrain picture classifiers and release them without hurting anybody."""
