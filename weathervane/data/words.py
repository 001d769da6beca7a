"""Figures in sentences."""


def count_of(number: int, noun: str) -> str:
    """``1 picture``, ``2 pictures``, ``2 classes``."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"
