"""The admin's colour scale: the accent's hue and chroma at each shade's fixed lightness.

Contrast depends on lightness, so white text stays readable on shade 600 with any accent. The
colour space is OKLCH (Björn Ottosson, "A perceptual color space for image processing", 2020).
"""

from functools import lru_cache
from math import atan2, degrees, hypot

# Shade: lightness, and the fraction of the accent's chroma.
_SHADES = {
    "50": (0.971, 0.06),
    "100": (0.936, 0.15),
    "200": (0.885, 0.28),
    "300": (0.81, 0.5),
    "400": (0.71, 0.75),
    "500": (0.63, 0.95),
    "600": (0.53, 1.0),
    "700": (0.47, 0.95),
    "800": (0.41, 0.8),
    "900": (0.36, 0.65),
    "950": (0.27, 0.45),
}
BASE = {
    "50": "oklch(98.5% .002 247.839)",
    "100": "oklch(96.7% .003 264.542)",
    "200": "oklch(92.8% .006 264.531)",
    "300": "oklch(87.2% .01 258.338)",
    "400": "oklch(70.7% .022 261.325)",
    "500": "oklch(52% .027 264.364)",
    "600": "oklch(44.6% .03 256.802)",
    "700": "oklch(37.3% .034 259.733)",
    "800": "oklch(27.8% .033 256.848)",
    "900": "oklch(21% .034 264.665)",
    "950": "oklch(13% .028 261.692)",
}
FONT = {
    "subtle-light": "var(--color-base-500)",
    "subtle-dark": "var(--color-base-400)",
    "default-light": "var(--color-base-600)",
    "default-dark": "var(--color-base-300)",
    "important-light": "var(--color-base-900)",
    "important-dark": "var(--color-base-100)",
}


@lru_cache(maxsize=16)
def compute_shades(accent: str) -> dict[str, str]:
    """Return the eleven shades of an accent like "#2563eb", as CSS colours."""
    chroma, hue = _measure(accent)
    return {
        name: f"oklch({lightness:.1%} {chroma * share:.3f} {hue:.1f})"
        for name, (lightness, share) in _SHADES.items()
    }


def _measure(accent: str) -> tuple[float, float]:
    """Return chroma, and hue in degrees."""
    red, green, blue = (_linear(int(accent[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return hypot(a, b), degrees(atan2(b, a)) % 360


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
