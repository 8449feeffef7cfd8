"""The methods of all clients: each is a description of `calls` or `account_calls`."""

from predex_client import account_calls, calls
from predex_client.describing import taking
from predex_client.requests import Endpoint, Listing
from predex_client.terms import NewOrder


class OrderEndpoints:
    """What can be asked for over HTTP and over the socket alike."""

    place = Endpoint(taking(NewOrder, calls.place))
    place_batch = Endpoint(calls.place_batch)
    preview = Endpoint(taking(NewOrder, calls.preview))
    amend = Endpoint(calls.amend)
    cancel = Endpoint(calls.cancel)
    cancel_all = Endpoint(calls.cancel_all)
    close_positions = Endpoint(calls.close_positions)
    protect = Endpoint(calls.protect)


class Endpoints(OrderEndpoints):
    """The API's calls. Lists are iterators, which read page by page."""

    exchange = Endpoint(calls.exchange)
    markets = Listing(calls.markets)
    market = Endpoint(calls.market)
    history = Listing(calls.history)
    book = Endpoint(calls.book)
    trades = Listing(calls.trades)
    candles = Listing(calls.candles)
    prices = Endpoint(calls.prices)
    tickers = Listing(calls.tickers)

    orders = Listing(calls.orders)
    order = Endpoint(calls.order)
    order_by_client_id = Endpoint(calls.order_by_client_id)
    queue_position = Endpoint(calls.queue_position)
    queue_positions = Endpoint(calls.queue_positions)
    cancel_after = Endpoint(calls.cancel_after)
    cancel_timer = Endpoint(calls.cancel_timer)
    order_groups = Listing(calls.order_groups)
    order_group = Endpoint(calls.order_group)
    create_order_group = Endpoint(calls.create_order_group)
    change_order_group = Endpoint(calls.change_order_group)
    stop_order_group = Endpoint(calls.stop_order_group)
    reset_order_group = Endpoint(calls.reset_order_group)
    end_order_group = Endpoint(calls.end_order_group)
    standing_orders = Listing(calls.standing_orders)
    create_standing_order = Endpoint(calls.create_standing_order)
    stop_standing_order = Endpoint(calls.stop_standing_order)

    register = Endpoint(account_calls.register)
    log_in = Endpoint(account_calls.log_in)
    me = Endpoint(account_calls.me)
    limits = Endpoint(account_calls.limits)
    account = Endpoint(account_calls.account)
    ledger = Listing(account_calls.ledger)
    portfolio = Endpoint(account_calls.portfolio)
    positions = Listing(account_calls.positions)
    fills = Listing(account_calls.fills)

    api_keys = Listing(account_calls.api_keys)
    create_api_key = Endpoint(account_calls.create_api_key)
    revoke_api_key = Endpoint(account_calls.revoke_api_key)
    subaccounts = Endpoint(account_calls.subaccounts)
    open_subaccount = Endpoint(account_calls.open_subaccount)
    transfer = Endpoint(account_calls.transfer)
    transfers = Listing(account_calls.transfers)
    webhooks = Listing(account_calls.webhooks)
    webhook = Endpoint(account_calls.webhook)
    create_webhook = Endpoint(account_calls.create_webhook)
    change_webhook = Endpoint(account_calls.change_webhook)
    delete_webhook = Endpoint(account_calls.delete_webhook)
    ping_webhook = Endpoint(account_calls.ping_webhook)
    deliveries = Listing(account_calls.deliveries)
    redeliver = Endpoint(account_calls.redeliver)
