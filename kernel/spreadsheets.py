"""Texts in CSV files that people open in a spreadsheet: shown there as they are, never run."""

import unicodedata
from typing import Final

_STARTS: Final = frozenset("=+-@\u2212|%")
# Skipped by some programs before they look whether a formula begins: spaces, controls, marks.
_SKIPPED: Final = frozenset("CZ")


def as_cell(text: str) -> str:
    """Return the text, with an apostrophe in front where it could be taken for a formula.

    Full-width and other variants count as what they stand for, and what a program may skip does
    not hide what follows it.
    """
    for character in text:
        if unicodedata.category(character)[0] in _SKIPPED:
            if character != " ":
                return f"'{text}"
            continue
        plain = unicodedata.normalize("NFKC", character)
        return f"'{text}" if plain[0] in _STARTS else text
    return text
