"""Exact numbers in the viewer's language, without trailing zeros.

The ticket shows the same numbers as the API and the ledger, so nothing is rounded, except averages
of prices, whose decimals may not terminate.
"""

from decimal import Decimal
from typing import Final

from django.utils.html import format_html

from accounts import numbers
from accounts.numbers import MINUS
from kernel.units import (
    LOTS_PER_CONTRACT,
    MICROS_PER_CREDIT,
    format_amount,
    format_price,
    format_quantity,
)
from trading.contracts import MICROS_PER_PIP, Contract

CENT_MICROS: Final = MICROS_PER_CREDIT // 100
AVERAGE_STEP_MICROS: Final = 100
"""Averages are shown to a hundredth of a cent, the finest tick."""


def show_exact(micros: int) -> str:
    """Micros as credits with 2 to 6 decimals: 12.40, 0.0049."""
    decimals = 2
    while decimals < 6 and micros % 10 ** (6 - decimals):
        decimals += 1
    text = numbers.show_number(Decimal(abs(micros)) / MICROS_PER_CREDIT, decimals)
    return f"{MINUS}{text}" if micros < 0 else text


def show_average(micros: int) -> str:
    """An average of prices with 2 to 4 decimals, rounded half up."""
    steps = (micros + AVERAGE_STEP_MICROS // 2) // AVERAGE_STEP_MICROS
    return show_exact(steps * AVERAGE_STEP_MICROS)


def show_price(micros: int, contract: Contract) -> str:
    """A contract's price or an average of prices; of a scalar market the number that it stands for.

    That is the result at which the contract would pay just that price.
    """
    if contract.scale is None:
        return show_average(micros)
    number = contract.scale.find_number(contract.find_yes_half_pips(micros))
    return numbers.show_quantity_of(number)


def write_contract_price(price_pips: int, contract: Contract) -> str:
    """`write_price`, or the number of a scalar market."""
    if contract.scale is None:
        return write_price(price_pips)
    half_pips = contract.find_yes_half_pips(price_pips * MICROS_PER_PIP)
    return f"{contract.scale.find_number(half_pips):f}"


def show_money(micros: int) -> str:
    """Exact micros with the currency symbol."""
    return numbers.show_money(show_exact(abs(micros)), is_negative=micros < 0)


def show_data(micros: int) -> str:
    """`show_money` with the API's text as a data attribute."""
    return format_html('<data value="{}">{}</data>', format_amount(micros), show_money(micros))


def show_lots(lots: int) -> str:
    """Lots as contracts: 1,250 or 0.5."""
    decimals = 0 if lots % 100 == 0 else 1 if lots % 10 == 0 else 2
    return numbers.show_number(Decimal(lots) / LOTS_PER_CONTRACT, decimals)


def write_lots(lots: int) -> str:
    """Lots in plain notation for links and scripts: 1250 or 0.5, in any language."""
    return _trim(format_quantity(lots))


def write_price(price_pips: int) -> str:
    """Pips in plain notation for links and scripts, with at least 2 decimals."""
    text = format_price(price_pips)
    return text[:-2] + text[-2:].rstrip("0")


def write_cents(micros: int) -> str:
    """Micros in plain notation for links and scripts, rounded down to cents."""
    return _trim(format_amount(micros // CENT_MICROS * CENT_MICROS))


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".")
