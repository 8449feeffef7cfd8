"""Whatever accent an operator chooses, text in it and on it can be read."""

from hypothesis import given
from hypothesis import strategies as st

from kernel.colours import (
    CONTRAST_MIN,
    DARK_GROUND,
    DEFAULT_ACCENT,
    LIGHT_GROUND,
    compute_accents,
    compute_contrast,
)


def parse(text):
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


@given(st.integers(0, 0xFFFFFF).map("#{:06x}".format))
def test_every_accent_can_be_read_on_both_grounds(accent):
    accents = compute_accents(accent)
    if accent == DEFAULT_ACCENT:
        assert accents is None
        return
    assert compute_contrast(parse(accents.light), LIGHT_GROUND) >= CONTRAST_MIN
    assert compute_contrast(parse(accents.dark), DARK_GROUND) >= CONTRAST_MIN
    assert compute_contrast(parse(accents.on_light), parse(accents.light)) >= CONTRAST_MIN
    assert compute_contrast(parse(accents.on_dark), parse(accents.dark)) >= CONTRAST_MIN


def test_contrast_of_black_on_white_is_21():
    assert compute_contrast((0, 0, 0), (255, 255, 255)) == 21
