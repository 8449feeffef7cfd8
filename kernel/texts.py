"""What a text may hold: one rule for every door (API, pages, admin, import).

A line (a title, a name) is read as one: no control characters, so no line breaks, and nothing that
turns the direction of what follows it, so that it can't pass for another. A text of several lines
may have line breaks and tabs beside.
"""

import unicodedata
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from kernel.errors import RefusedError

# Controls, halves of characters, line and paragraph separators.
_NOT_IN_A_LINE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LAYOUT: Final = str.maketrans("", "", "\n\r\t")
# Shown as nothing, though they are letters or symbols to Unicode.
_FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_CODE: Final = "invalid_value"


def is_line(text: str) -> bool:
    """Whether this may stand as one line, in which there is something to see."""
    return (not text or any(map(_is_visible, text))) and not any(map(_is_forbidden, text))


def is_text(text: str) -> bool:
    return not any(map(_is_forbidden, text.translate(_LAYOUT)))


def validate_line(text: str) -> None:
    """Raise ValidationError: for form fields."""
    if not is_line(text):
        raise ValidationError(_("Control characters are not allowed here."), code=_CODE)


def validate_text(text: str) -> None:
    if not is_text(text):
        raise ValidationError(_("Control characters are not allowed here."), code=_CODE)


def check_line(text: str, field: str) -> None:
    """Raise RefusedError: for actions, where all doors meet."""
    if not is_line(text):
        raise _refuse(field)


def check_text(text: str, field: str) -> None:
    if not is_text(text):
        raise _refuse(field)


def make_line(text: str) -> str:
    """Return the text as one line, without what a line can't have: of what others say of users."""
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _is_forbidden(c))
    line = " ".join(kept.split())
    return line if is_line(line) else ""


def _is_forbidden(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in _NOT_IN_A_LINE


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ" and character not in _FILLERS


def _refuse(field: str) -> RefusedError:
    return RefusedError("invalid_value", field, detail="control characters are not allowed here")
