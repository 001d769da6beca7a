"""Pictures that can be used and have something that most have not: what it is, and what to do.

In: what was seen of one picture, and the settings. Out: whether it is odd, by code.
"""

from collections.abc import Callable
from dataclasses import dataclass

from weathervane.config import ValidationConfig
from weathervane.data.findings import Severity
from weathervane.data.scan import Seen


@dataclass(frozen=True)
class Oddity:
    """One way of being odd; ``message`` goes on from a number of pictures."""

    code: str
    severity: Severity
    applies: Callable[[Seen, ValidationConfig], bool]
    message: str
    recommendation: str


def _aspect(seen: Seen) -> float:
    return max(seen.width, seen.height) / min(seen.width, seen.height)


ODDITIES = (
    Oddity(
        "WV302",
        "info",
        lambda seen, _: seen.orientation != 1,
        "turned by their EXIF orientation",
        "nothing must be done here: they are turned; other tools may not do it",
    ),
    Oddity(
        "WV303",
        "info",
        lambda seen, _: seen.colour == "grey",
        "without colours",
        "see whether one class has more of them than others: they become RGB",
    ),
    Oddity(
        "WV304",
        "info",
        lambda seen, _: seen.colour == "alpha",
        "with an alpha channel",
        "see what their transparent pixels hide: the channel is dropped",
    ),
    Oddity(
        "WV305",
        "info",
        lambda seen, _: seen.colour == "palette",
        "of a palette",
        "get the originals of photographs among them: they become RGB as they are",
    ),
    Oddity(
        "WV306",
        "warning",
        lambda seen, _: seen.colour == "CMYK",
        "in CMYK",
        "convert them to RGB by their colour profile, which is not done here",
    ),
    Oddity(
        "WV307",
        "info",
        lambda seen, _: seen.bits > 8,
        "of more than 8 bits a channel",
        "nothing must be done here: they become 8 bits",
    ),
    Oddity(
        "WV308",
        "warning",
        lambda seen, config: _aspect(seen) > config.max_aspect,
        "much longer one way than the other",
        "cut them: they are squashed into a square",
    ),
    Oddity(
        "WV309",
        "info",
        lambda seen, config: seen.width * seen.height > config.large_megapixels * 1e6,
        "of many megapixels",
        "scale them down to save time: models see a few hundred pixels a side",
    ),
    Oddity(
        "WV311",
        "warning",
        lambda seen, config: seen.feature("contrast") < config.flat,
        "nearly of one colour",
        "look at them: there may be nothing to recognise",
    ),
    Oddity(
        "WV312",
        "warning",
        lambda seen, config: seen.feature("brightness") < config.dark,
        "nearly black",
        "look at them: night, or something before the lens",
    ),
    Oddity(
        "WV313",
        "warning",
        lambda seen, config: seen.feature("brightness") > config.bright,
        "nearly white",
        "look at them: they may be overexposed",
    ),
    Oddity(
        "WV314",
        "warning",
        lambda seen, config: seen.feature("sharpness") < config.blurred,
        "blurred",
        "look at them: they may be out of focus, or enlarged",
    ),
)
