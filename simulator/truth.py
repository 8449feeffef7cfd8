"""What only the simulator knows of the present: never of the recording's future."""

from typing import Any

from kernel.units import format_price, format_quantity
from simulator.bench import Bench, Play
from simulator.recordings.recording import price_of
from trading.engine.types import BUY
from trading.models import OPEN_STATUSES, Order
from trading.readmodels.queue_positions import list_queue_positions


def read_truth(bench: Bench, account_id: int) -> dict[str, Any]:
    return {"plays": [_read_play(play, account_id) for play in bench.plays]}


def _read_play(play: Play, account_id: int) -> dict[str, Any]:
    positions = list_queue_positions(play.market.pk, account_id)
    own = Order.objects.filter(pk__in=positions)
    return {
        "market": play.market.slug,
        "queue": play.source.model,
        "at_seconds": max(0, play.player.at_ms) / 1_000,
        "recorded_book": _show_recorded(play),
        "orders": [
            _show_order(play, order, positions[order.pk.hex].ahead_at_price_lots)
            for order in own.order_by("pk")
        ],
    }


def _show_order(play: Play, order: Order, ahead_lots: int) -> dict[str, Any]:
    assert order.price_pips is not None  # it rests
    members = [member.account_id for member in play.player.crowd.members.values()]
    ahead = Order.objects.filter(
        market=play.market,
        outcome_index=order.outcome_index,
        side=order.side,
        price_pips=order.price_pips,
        priority__lt=order.priority,
        account__in=members,
        status__in=OPEN_STATUSES,
    )
    recorded_lots = sum(ahead.values_list("remaining_lots", flat=True))
    return {
        "id": order.pk.hex,
        "side": "buy" if order.side == BUY else "sell",
        "price": format_price(order.price_pips),
        "remaining": format_quantity(order.remaining_lots),
        "ahead": format_quantity(ahead_lots),
        "ahead_recorded": format_quantity(recorded_lots),
    }


def _show_recorded(play: Play) -> dict[str, list[list[str]]]:
    """The recorded book as it is now in the recording, whatever others did to it here."""
    levels = play.player.crowd.recorded.items()
    bids = sorted((pips, lots) for (side, pips), lots in levels if side == "yes")
    asks = sorted((price_of(side, pips), lots) for (side, pips), lots in levels if side == "no")
    return {"bids": _show_levels(bids[::-1]), "asks": _show_levels(asks)}


def _show_levels(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[format_price(pips), format_quantity(lots)] for pips, lots in levels]
