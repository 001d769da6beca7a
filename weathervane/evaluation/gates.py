"""What one gate says: a figure, its bound, and the two in words."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One comparison of a figure with a bound. ``reason`` says it in words."""

    key: str  # one of `weathervane.config.GATES`
    name: str
    figure: float
    bound: float
    passed: bool
    reason: str
    blocks: bool = True  # whether falling short refuses the candidate, or is only said

    @property
    def refused(self) -> bool:
        """Whether this gate alone refuses the candidate."""
        return self.blocks and not self.passed

    def blocking(self, blocks: bool) -> "Gate":
        """The same gate that blocks, or does not."""
        return replace(self, blocks=blocks)


# Both are written so that NaN is refused.
def at_least(key: str, name: str, figure: float, bound: float, *, because: str = "") -> Gate:
    """A figure that must reach its bound; ``because`` stands in for the usual words before it."""
    return Gate(
        key=key,
        name=name,
        figure=figure,
        bound=bound,
        passed=figure >= bound,
        reason=f"{because or f'{name} is {figure:.3f}'}, at least {bound:g} asked for",
    )


def at_most(key: str, name: str, figure: float, bound: float, *, because: str = "") -> Gate:
    """A figure that must not exceed its bound."""
    return Gate(
        key=key,
        name=name,
        figure=figure,
        bound=bound,
        passed=figure <= bound,
        reason=f"{because or f'{name} is {figure:.3f}'}, at most {bound:g} allowed",
    )
