"""What a text may contain: one rule for every entry point (API, pages, admin, import).

A line (a title, a name) has no control characters, so no line breaks, and nothing that changes the
writing direction of what follows, so that it can't be made to look like another. A text of several
lines may also contain line breaks and tabs.
"""

import unicodedata
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from kernel.errors import RefusedError

# Control characters, surrogates, line and paragraph separators.
_NOT_IN_A_LINE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LAYOUT: Final = str.maketrans("", "", "\n\r\t")
# Rendered as nothing, although Unicode calls them letters or symbols.
_FILLERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_CODE: Final = "invalid_value"


def is_line(text: str) -> bool:
    """Whether this is allowed as one line and contains something visible."""
    return (not text or any(map(_is_visible, text))) and not any(map(_is_forbidden, text))


def is_text(text: str) -> bool:
    return not any(map(_is_forbidden, text.translate(_LAYOUT)))


def validate_line(text: str) -> None:
    """Raise ValidationError; for form fields."""
    if not is_line(text):
        raise ValidationError(_("Control characters are not allowed here."), code=_CODE)


def validate_text(text: str) -> None:
    if not is_text(text):
        raise ValidationError(_("Control characters are not allowed here."), code=_CODE)


def check_line(text: str, field: str) -> None:
    """Raise RefusedError; for actions, which every entry point calls."""
    if not is_line(text):
        raise _refuse(field)


def check_text(text: str, field: str) -> None:
    if not is_text(text):
        raise _refuse(field)


def make_line(text: str) -> str:
    """Return the text as one line without forbidden characters; for names from other systems."""
    kept = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _is_forbidden(c))
    line = " ".join(kept.split())
    return line if is_line(line) else ""


def _is_forbidden(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in _NOT_IN_A_LINE


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ" and character not in _FILLERS


def _refuse(field: str) -> RefusedError:
    return RefusedError("invalid_value", field, detail="control characters are not allowed here")
