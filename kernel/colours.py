"""The operator's accent colour, adjusted to be readable on a light and on a dark background.

Contrast follows WCAG 2.2: (L1 + 0.05) / (L2 + 0.05) of relative luminances, at least 4.5 for text.
Channels are integers 0..255.
"""

from functools import lru_cache
from typing import NamedTuple

CONTRAST_MIN = 4.5
WHITE, BLACK = (255, 255, 255), (12, 15, 21)
LIGHT_GROUND, DARK_GROUND = (245, 246, 248), (20, 25, 34)
STEPS = 20
DEFAULT_ACCENT = "#2563eb"

Colour = tuple[int, int, int]


class Accents(NamedTuple):
    """Colours as #rrggbb, each with the colour of text on it."""

    light: str
    on_light: str
    dark: str
    on_dark: str


@lru_cache(maxsize=16)
def compute_accents(accent: str) -> Accents | None:
    """Return the accent for both themes; None for the default, which the style sheet contains."""
    if accent == DEFAULT_ACCENT:
        return None
    colour = _parse(accent)
    light = _readable(colour, LIGHT_GROUND, BLACK)
    dark = _readable(colour, DARK_GROUND, WHITE)
    return Accents(_show(light), _show(_text_on(light)), _show(dark), _show(_text_on(dark)))


def compute_contrast(one: Colour, other: Colour) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _readable(colour: Colour, ground: Colour, towards: Colour) -> Colour:
    """Move the colour towards black or white until it is readable on the background."""
    for step in range(STEPS + 1):
        mixed = _mix(colour, towards, step)
        if compute_contrast(mixed, ground) >= CONTRAST_MIN:
            return mixed
    return towards


def _text_on(colour: Colour) -> Colour:
    return max(WHITE, BLACK, key=lambda text: compute_contrast(text, colour))


def _mix(colour: Colour, towards: Colour, step: int) -> Colour:
    red, green, blue = (
        (own * (STEPS - step) + other * step) // STEPS
        for own, other in zip(colour, towards, strict=True)
    )
    return red, green, blue


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _parse(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _show(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
