"""Short codes for outcomes made from their names: "Team Ångström" -> TEAM-ANGSTROM."""

import re
import unicodedata
from collections.abc import Sequence

CODE_LENGTH_MAX = 32
_OTHER = re.compile(r"[^A-Z0-9]+")


def make_codes(names: Sequence[str]) -> list[str]:
    """Return a code for each name: distinct, in order, of A-Z, 0-9 and dashes."""
    codes: list[str] = []
    for number, name in enumerate(names, 1):
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        code = _OTHER.sub("-", ascii_name.upper())[:CODE_LENGTH_MAX].strip("-")
        if not code or code in codes:
            code = f"{code[: CODE_LENGTH_MAX - 4]}-{number}".strip("-") if code else f"O{number}"
        codes.append(code)
    return codes
