"""What is written on a ticket, and the same as an order of the API."""

from typing import NamedTuple


class Case(NamedTuple):
    """What is written on the ticket, and the same as an order of the API."""

    written: dict[str, str]
    order: dict[str, str]


CASES = {
    "limit, all of it trades": Case(
        {"price": "0.60", "amount": "5"},
        {"side": "buy", "price": "0.60", "quantity": "5"},
    ),
    "limit, some of it waits": Case(
        {"price": "0.60", "amount": "15"},
        {"side": "buy", "price": "0.60", "quantity": "15"},
    ),
    "limit, all of it waits": Case(
        {"price": "0.57", "amount": "8"},
        {"side": "buy", "price": "0.57", "quantity": "8"},
    ),
    "limit by credits": Case(
        {"price": "0.60", "measure": "Credits", "amount": "6"},
        {"side": "buy", "price": "0.60", "quantity": "9"},
    ),
    "market by contracts": Case(
        {"kind": "Market", "amount": "12"},
        {"side": "buy", "type": "market", "quantity": "12"},
    ),
    "market by credits": Case(
        {"kind": "Market", "measure": "Credits", "amount": "7.50"},
        {"side": "buy", "type": "market", "budget": "7.50"},
    ),
    "market sale": Case(
        {"kind": "Market", "side": "Sell", "amount": "12"},
        {"side": "sell", "type": "market", "quantity": "12"},
    ),
    "NO, limit": Case(
        {"answer": "No", "price": "0.45", "amount": "14"},
        {"outcome": "NO", "side": "buy", "price": "0.45", "quantity": "14"},
    ),
    "NO, market by credits": Case(
        {"answer": "No", "kind": "Market", "measure": "Credits", "amount": "3"},
        {"outcome": "NO", "side": "buy", "type": "market", "budget": "3"},
    ),
}
CATEGORICAL_CASES = {
    "an outcome, limit": Case(
        {"outcome": "Oslo", "price": "0.60", "amount": "12"},
        {"outcome": "OSLO", "side": "buy", "price": "0.60", "quantity": "12"},
    ),
    "against an outcome, market": Case(
        {"outcome": "Oslo", "answer": "No", "kind": "Market", "amount": "12"},
        {"outcome": "OSLO", "side": "sell", "type": "market", "quantity": "12"},
    ),
}
