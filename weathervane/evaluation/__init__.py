"""Candidates in; figures, a verdict with reasons, and a page for people out."""
