"""Localized numbers: formatting and parsing in the page's language, money with its symbol.

For programs (API, CSV, links, data attributes) there are the plain texts of `kernel.units`.
"""

import re
from decimal import Decimal
from typing import Final

from django.utils import formats
from django.utils.functional import lazy
from django.utils.translation import pgettext

from accounts.policy import get_policy
from kernel.units import UnitError

MINUS: Final = "\N{MINUS SIGN}"
_PLAIN: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_SPACES: Final = " \N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}"


def show_number(value: Decimal, decimals: int) -> str:
    return formats.number_format(value, decimals, use_l10n=True, force_grouping=True)


def show_quantity_of(number: Decimal, unit: str = "") -> str:
    """A number of any kind, with all its decimals and its unit: 1,240 points or 3.5 °C."""
    exponent = number.as_tuple().exponent
    decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    shown = show_number(abs(number), decimals)
    shown = f"{MINUS}{shown}" if number < 0 else shown
    return f"{shown}\N{NO-BREAK SPACE}{unit}" if unit else shown


def show_money(number: str, *, is_negative: bool = False) -> str:
    """Add the currency symbol and the sign to a formatted number: -P2.50, 9,985.43 pts."""
    return f"{MINUS if is_negative else ''}{get_policy().add_symbol(number)}"


def show_percent(number: int | str) -> str:
    return pgettext("a percentage", "%(number)s%%") % {"number": number}


currency_name: Final = lazy(lambda: get_policy().currency, str)()
"""The currency's name, for texts built before the policy exists."""


# --- parsing -------------------------------------------------------------------------------------


def read_number(text: str) -> str:
    """Return the plain notation of a number typed in the page's language.

    On a German page "1234,5", "1.234,5" and "1 234,5" are all "1234.5". The other language's
    decimal sign is accepted where it is unambiguous: "0.5". An ambiguous text, as "1.234" there,
    raises UnitError. Anything else is returned unchanged, for its unit to refuse.
    static/js/numbers.js follows the same rules.
    """
    sign, typed = "", text.strip().replace(MINUS, "-")
    if typed.startswith("-"):
        sign, typed = "-", typed[1:]
    point, separator = _find_signs()
    grouped = re.fullmatch(
        rf"([1-9][0-9]{{0,2}}(?:([{re.escape(separator)}{_SPACES}])[0-9]{{3}})"
        rf"(?:\2[0-9]{{3}})*)(?:{re.escape(point)}([0-9]+))?",
        typed,
    )
    if grouped is not None:
        whole, mark, fraction = grouped.groups()
        if mark == separator and fraction is None and whole.count(mark) == 1:
            raise _ambiguous(typed, separator, point)
        return _join(sign, whole.replace(mark, ""), fraction)
    ungrouped = re.fullmatch(r"([0-9]*)[.,]([0-9]+)", typed)
    if ungrouped is not None:
        return _join(sign, *ungrouped.groups())
    return sign + typed


def write_number(text: str) -> str:
    """Return a plain number in the notation of form fields: 0,55 on a German page."""
    return text.replace(".", _find_signs()[0]) if _PLAIN.fullmatch(text) else text


def _find_signs() -> tuple[str, str]:
    """Return the language's decimal sign and thousands separator."""
    point = str(formats.get_format("DECIMAL_SEPARATOR"))
    return point, "." if point == "," else ","


def _join(sign: str, whole: str, fraction: str | None) -> str:
    return f"{sign}{whole or '0'}" + (f".{fraction}" if fraction else "")


def _ambiguous(typed: str, separator: str, point: str) -> UnitError:
    return UnitError(
        "ambiguous_number",
        typed=typed,
        thousands=typed.replace(separator, ""),
        decimals=typed.replace(separator, point),
    )
