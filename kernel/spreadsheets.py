"""Guards texts in CSV files against being run as formulas when opened in a spreadsheet."""

import unicodedata
from typing import Final

_STARTS: Final = frozenset("=+-@\u2212|%")
# Some programs skip these before they check for a formula: spaces, control characters, marks.
_SKIPPED: Final = frozenset("CZ")


def as_cell(text: str) -> str:
    """Return the text, prefixed with an apostrophe where it could be taken for a formula.

    Full-width and other variants count as the characters that they represent, and characters that a
    program may skip do not hide what follows them.
    """
    for character in text:
        if unicodedata.category(character)[0] in _SKIPPED:
            if character != " ":
                return f"'{text}"
            continue
        plain = unicodedata.normalize("NFKC", character)
        return f"'{text}" if plain[0] in _STARTS else text
    return text
