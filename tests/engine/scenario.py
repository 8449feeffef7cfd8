"""Plays scenarios that a trader can read on an engine, and compares its events.

    alice buys 10 YES @ 0.62                -> alice1 bids 10 @ 0.62
    bob sells 4 YES @ 0.60                  -> bob1 sells 4 @ 0.62 to alice1, minted; bob1 filled
    alice has 990.28 free, 3.72 held, 4 YES

Orders are named after their owner, numbered. Left of `->` is a command, right of it all of
its events, in order; a command without `->` must be accepted, whatever else happens. Everyone
starts with 1,000 credits; `alice/2` is alice's second account; the house pays no fees. All forms
of a line are in `LINES`.

An order may wait for a price: `stop=0.40`, `take-profit=0.70`, `trail=0.05` as words, of its last
trade or, `by-best`, of the best offer. What a command triggers is fired right after it, which is
told with it.

An entry may bring legs that close it: `profit=0.60`, `loss=0.30` or `loss-trail=0.05`, at the
market or, with `profit-limit=` and `loss-limit=`, at a limit. Each is an order, as `alice1.profit`.
A position can have them too, and they can be amended with their entry:

    alice buys 10 YES @ 0.40 profit=0.60
        -> alice1 bids 10 @ 0.40; alice1.profit is to close 0 at 0.60
    alice protects 10 YES with profit=0.60 loss=0.30
    alice amends alice1 @ 0.41 with loss=0.35 without profit

Books are matched by themselves unless the market says otherwise; a match is then one event:

    market of A B C, matched across
    alice buys 6 A @ 0.30
    bob buys 6 B @ 0.45
    carol buys 6 C @ 0.40
        -> carol1 buys 6 @ 0.25, minted with alice1 @ 0.30 and bob1 @ 0.45
         ; alice1 filled; bob1 filled; carol1 filled
"""

import re
from collections.abc import Callable
from typing import Any, Final

from tests.engine.words import (
    contracts_text,
    credits_text,
    describe,
    lots,
    micros,
    pips,
    price_text,
)
from trading.engine.commands import (
    Amend,
    AnyCommand,
    Attach,
    Cancel,
    CancelAll,
    Configure,
    Place,
    Tick,
)
from trading.engine.events import (
    AnyEvent,
    Rejected,
)
from trading.engine.types import (
    BUY,
    NO_ACCOUNT,
    PAYOUT_PIPS,
    SELL,
    Config,
    FeeDiscount,
    FeeKind,
    Fees,
    Leg,
    MarketStatus,
    OrderOptions,
    Stp,
    Tif,
    Trigger,
    TriggerKind,
    TriggerOn,
    Withdrawal,
)

TIFS: Final = {"gtc": Tif.GTC, "gtd": Tif.GTD, "ioc": Tif.IOC, "fok": Tif.FOK}
STPS: Final = {
    "cancel-newest": Stp.CANCEL_NEWEST,
    "cancel-oldest": Stp.CANCEL_OLDEST,
    "cancel-both": Stp.CANCEL_BOTH,
    "decrement": Stp.DECREMENT,
}
HOUSE: Final = 100
"""The account of `house`, which trades like any other unless it is between the books."""
STATUSES: Final = {
    "opens": MarketStatus.OPEN,
    "halts": MarketStatus.HALTED,
    "closes": MarketStatus.CLOSED,
}


def play(engine: Any, story: str, *, introduce: bool = False) -> None:
    """Run every line of `story`; raise AssertionError at the first that comes out otherwise.

    `introduce`: every account first enters an order and cancels it, so that it is known.
    """
    stage = Stage(engine, introduce=introduce)
    story = re.sub(r"#.*", "", story)
    # A line that starts with ->, ; or "with" goes on with the one before.
    for line in re.sub(r"\s*\n\s*(?=->|;|with )", " ", story).splitlines():
        if line.strip():
            stage.run(line.strip())


class Stage:
    """An engine, the market it will have, and who has what."""

    def __init__(self, engine: Any, *, introduce: bool) -> None:
        self.engine = engine
        self.strangers = introduce
        self.known: set[int] = set()
        self.outcomes = ["YES", "NO"]
        self.config: dict[str, Any] = {"tick_pips": 100, "lot_step_lots": 100}
        self.accounts = {"house": HOUSE}
        self.funds = {HOUSE: 1_000_000_000}
        self.counts: dict[str, int] = {}
        self.ts_us = 1

    def run(self, text: str) -> None:
        said, _, expected = (part.strip() for part in text.partition("->"))
        timed = re.fullmatch(r"at (\d+): (.+)", said)
        if timed:
            self.ts_us, said = int(timed[1]), timed[2]
        for pattern, method in LINES:
            match = re.fullmatch(pattern, said)
            if match:
                answer = method(self, **match.groupdict())
                break
        else:
            raise AssertionError(f"nobody knows how to play {said!r}")
        if answer is None:
            return
        events = "; ".join(map(describe, answer))
        expected = re.sub(r"\s*;\s*", "; ", expected)
        if expected:
            assert events == expected, f"{said}\n  expected {expected}\n  got      {events}"
        else:
            assert not any(isinstance(event, Rejected) for event in answer), f"{said}: {events}"

    # Setting the stage.

    def set_market(self, kind: str, outcomes: str, options: str) -> None:
        self.outcomes = outcomes.split() or ["YES", "NO"]
        for option in filter(None, (option.strip() for option in options.split(","))):
            name, *values = option.split()
            self.config |= OPTIONS[name](*values)

    def set_money(self, who: str, amount: str) -> None:
        self.funds[self.account(who)] = micros(amount)

    def account(self, who: str) -> int:
        if who not in self.accounts:
            self.accounts[who] = len(self.accounts) + 1
            self.funds.setdefault(self.accounts[who], 1_000_000_000)
        return self.accounts[who]

    @property
    def binary(self) -> bool:
        return self.outcomes == ["YES", "NO"]

    def send(self, command: AnyCommand) -> list[AnyEvent]:
        if self.engine.seq == 0:
            self.configure(MarketStatus.OPEN)
        if self.strangers and command.account_id not in self.known | {NO_ACCOUNT}:
            self.introduce(command.account_id)
        events: list[AnyEvent] = self.engine.execute(command, self.ts_us, self.funds)
        while fire := self.engine.find_next_fire():
            events += self.engine.execute(fire, self.ts_us, self.funds)
        return events

    def introduce(self, account_id: int) -> None:
        self.known.add(account_id)
        tick, step = self.config["tick_pips"], self.config["lot_step_lots"]
        post_only = OrderOptions(post_only=True)
        hello = Place("hello", account_id, -account_id, 0, BUY, tick, step, options=post_only)
        for command in (hello, Cancel("hello", account_id)):
            self.engine.execute(command, self.ts_us, {account_id: PAYOUT_PIPS * step})

    def configure(self, status: MarketStatus) -> list[AnyEvent]:
        config = Config(binary=self.binary, outcomes=len(self.outcomes), **self.config)
        events: list[AnyEvent] = self.engine.execute(
            Configure(status, config), self.ts_us, self.funds
        )
        return events

    # Commands.

    def trade(
        self, who: str, verb: str, quantity: str | None, outcome: str, price: str | None, words: str
    ) -> list[AnyEvent]:
        quantity_lots = None if quantity is None else lots(quantity)
        side = BUY if verb == "buys" else SELL
        return self._place(who, side, quantity_lots, None, outcome, price, words.split())

    def spend(
        self, who: str, budget: str, outcome: str, price: str | None, words: str
    ) -> list[AnyEvent]:
        words = f"{words} market"
        return self._place(who, BUY, None, micros(budget), outcome, price, words.split())

    def _place(
        self,
        who: str,
        side: int,
        quantity_lots: int | None,
        budget_micros: int | None,
        outcome: str,
        price: str | None,
        words: list[str],
    ) -> list[AnyEvent]:
        price_pips = None if price is None else pips(price)
        mirrored = outcome == "NO" and self.binary
        if mirrored:
            side, price_pips = -side, None if price_pips is None else PAYOUT_PIPS - price_pips
        given = dict(word.split("=") for word in words if "=" in word)
        self.counts[who] = self.counts.get(who, 0) + 1
        tifs = [TIFS[word] for word in words if word in TIFS]
        stps = [STPS[word] for word in words if word in STPS]
        options = OrderOptions(
            "market" in words,
            budget_micros,
            "post-only" in words,
            "reduce-only" in words,
            int(given["until"]) if "until" in given else None,
            int(given["valid"]) if "valid" in given else None,
            read_trigger(given, "by-best" in words, mirrored=mirrored),
            legs=self.read_legs(f"{who}{self.counts[who]}", words, mirrored=mirrored),
            cancel_on_halt="cancel-on-halt" in words,
        )
        place = Place(
            given.get("id", f"{who}{self.counts[who]}"),
            self.account(who),
            self.account(who.split("/")[0]),
            0 if mirrored else self.outcomes.index(outcome),
            side,
            price_pips,
            quantity_lots,
            tif=Tif.GTD if "until" in given else [*tifs, Tif.GTC][0],
            stp=[*stps, Stp.CANCEL_NEWEST][0],
            as_no=mirrored,
            fee_free=who == "house",
            options=options.or_none(),
        )
        return self.send(place)

    def amend(
        self,
        who: str,
        order_id: str,
        quantity: str | None,
        price: str | None,
        trigger: str | None,
        words: str,
        without: str,
    ) -> list[AnyEvent]:
        total_lots = None if quantity is None else lots(quantity)
        price_pips = None if price is None else pips(price)
        trigger_pips = None if trigger is None else pips(trigger)
        kinds = {"profit": TriggerKind.TAKE_PROFIT, "loss": TriggerKind.STOP}
        return self.send(
            Amend(
                order_id,
                self.account(who),
                price_pips,
                total_lots,
                None,
                trigger_pips,
                self.read_legs(order_id.split(".")[0], words.split(), mirrored=False),
                tuple(kinds[word] for word in without.split() if word in kinds),
            )
        )

    def read_legs(self, bracket_id: str, words: list[str], *, mirrored: bool) -> tuple[Leg, ...]:
        """`profit=0.60`, `loss=0.30`, `loss-trail=0.05`; `profit-limit=`, `loss-limit=`."""
        pairs = (word.split("=") for word in words if re.match("(profit|loss)[-a-z]*=", word))
        given = {name: pips(price) for name, price in pairs}
        on = TriggerOn.BEST if "by-best" in words else TriggerOn.LAST
        legs = []
        for name, kind in (("profit", TriggerKind.TAKE_PROFIT), ("loss", TriggerKind.STOP)):
            price_pips, trail_pips = given.get(name), given.get(f"{name}-trail")
            if price_pips is None and trail_pips is None:
                continue
            leg_id, limit_pips = f"{bracket_id}.{name}", given.get(f"{name}-limit")
            self.counts[leg_id] = self.counts.get(leg_id, 0) + 1
            leg_id += "" if self.counts[leg_id] == 1 else str(self.counts[leg_id])
            if mirrored:
                price_pips = None if price_pips is None else PAYOUT_PIPS - price_pips
                limit_pips = None if limit_pips is None else PAYOUT_PIPS - limit_pips
            kind = TriggerKind.TRAILING_STOP if trail_pips else kind
            legs.append(Leg(leg_id, Trigger(kind, price_pips, on, trail_pips), limit_pips))
        return tuple(legs)

    def protect(self, who: str, quantity: str | None, outcome: str, words: str) -> list[AnyEvent]:
        self.counts[who] = self.counts.get(who, 0) + 1
        mirrored, bracket_id = outcome == "NO" and self.binary, f"{who}{self.counts[who]}"
        attach = Attach(
            bracket_id,
            self.account(who),
            self.account(who.split("/")[0]),
            0 if mirrored else self.outcomes.index(outcome),
            self.read_legs(bracket_id, words.split(), mirrored=mirrored),
            None if quantity is None else lots(quantity),
            as_no=mirrored,
        )
        return self.send(attach)

    def cancel(self, who: str, order_id: str) -> list[AnyEvent]:
        return self.send(Cancel(order_id, self.account(who)))

    def cancel_all(self, who: str) -> list[AnyEvent]:
        return self.send(CancelAll(self.account(who)))

    def pass_time(self) -> list[AnyEvent]:
        return self.send(Tick())

    def change_status(self, status: str, tick: str | None) -> list[AnyEvent]:
        if tick is not None:
            self.config["tick_pips"] = pips(tick)
        return self.configure(STATUSES[status])

    def withdraw(self, outcome: str, price: str) -> list[AnyEvent]:
        gone = Withdrawal(self.outcomes.index(outcome), pips(price))
        self.config["withdrawn"] = (*self.config.get("withdrawn", ()), gone)
        return self.configure(MarketStatus.OPEN)

    def discount(self, maker: str, taker: str) -> list[AnyEvent]:
        self.config["discount"] = FeeDiscount(int(maker), int(taker))
        return self.configure(MarketStatus.OPEN)

    # What is so now.

    def check_account(self, who: str, free: str, held: str | None, positions: str | None) -> None:
        rows = {row[0]: row for row in self.engine.dump()[5]}
        books = 1 if self.binary else len(self.outcomes)
        row = rows.get(self.account(who), (0, (0,) * books, 0))
        has = f"{credits_text(self.funds[self.account(who)])} free"
        if held:
            has += f", {credits_text(row[2])} held"
        named = zip(row[1], self.outcomes, strict=False)
        all_lots = [f"{contracts_text(n)} {name}" for n, name in named if n]
        if positions:
            has += ", " + (", ".join(all_lots) or "nothing")
        expected = ", ".join(filter(None, (f"{free} free", held and f"{held} held", positions)))
        assert has == expected, f"{who} has {has}, not {expected}"

    def check_book(self, outcome: str, levels: str) -> None:
        book = self.outcomes.index(outcome)
        sides = []
        for side in (BUY, SELL):
            rows = [row for row in self.engine.dump()[4] if row[2:4] == (book, side)]
            texts = (f"{row[0]} {contracts_text(row[6])} @ {price_text(row[4])}" for row in rows)
            sides.append(", ".join(texts) or "-")
        assert " | ".join(sides) == levels, f"book {outcome}: {' | '.join(sides)}, not {levels}"


def read_trigger(given: dict[str, str], by_best: bool, *, mirrored: bool) -> Trigger | None:
    """`stop=0.40`, `take-profit=0.70`, `trail=0.05` (from the first price) or both; `by-best`."""
    if not given.keys() & {"stop", "take-profit", "trail"}:
        return None
    kind = TriggerKind.TAKE_PROFIT if "take-profit" in given else TriggerKind.STOP
    kind = TriggerKind.TRAILING_STOP if "trail" in given else kind
    price = given.get("stop", given.get("take-profit"))
    price_pips = None if price is None else pips(price)
    if mirrored and price_pips is not None:
        price_pips = PAYOUT_PIPS - price_pips
    trail_pips = pips(given["trail"]) if "trail" in given else None
    on = TriggerOn.BEST if by_best else TriggerOn.LAST
    return Trigger(kind, price_pips, on, trail_pips)


def _fees(kind: str, maker: str, taker: str, unit: str = "micro") -> dict[str, Any]:
    rates = (micros(maker), micros(taker))
    return {"fees": Fees(FeeKind[kind.upper()], *rates, 10_000 if unit == "cents" else 1)}


OPTIONS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "tick": lambda price: {"tick_pips": pips(price)},
    "step": lambda quantity: {"lot_step_lots": lots(quantity)},
    "fees": _fees,
    "closes": lambda at: {"close_at_us": int(at)},
    "limit": lambda quantity: {"position_limit_lots": lots(quantity)},
    "strict": lambda _refund: {"strict_refund": True},
    "matched": lambda _across: {"house_account_id": HOUSE},
}

_WHO: Final = r"(?P<who>[a-z]+(/\d)?)"
_NUMBER: Final = r"-?[\d,]*\.?\d+"
_PRICE: Final = rf"( (@|up to|down to) (?P<price>{_NUMBER}))?"
_WORDS: Final = r"(?P<words>( [a-z][-a-z=0-9.]*)*)"
LINES: Final[tuple[tuple[str, Callable[..., list[AnyEvent] | None]], ...]] = (
    (r"market (?P<kind>binary|of)(?P<outcomes>[A-Z ]*),? ?(?P<options>.*)", Stage.set_market),
    (rf"{_WHO} starts with (?P<amount>{_NUMBER})", Stage.set_money),
    (
        rf"{_WHO} (?P<verb>buys|sells)( (?P<quantity>{_NUMBER}))? "
        rf"(?P<outcome>[A-Z]+){_PRICE}{_WORDS}",
        Stage.trade,
    ),
    (
        rf"{_WHO} spends (?P<budget>{_NUMBER}) on (?P<outcome>[A-Z]+){_PRICE}{_WORDS}",
        Stage.spend,
    ),
    (
        rf"{_WHO} amends (?P<order_id>\S+)( to (?P<quantity>{_NUMBER}))?"
        rf"( @ (?P<price>{_NUMBER}))?( with its trigger at (?P<trigger>{_NUMBER}))?"
        r"(?P<words>( with( [-a-z]+=[0-9.]+)+)?)(?P<without>( without (profit|loss|profit loss))?)",
        Stage.amend,
    ),
    (
        rf"{_WHO} protects( (?P<quantity>{_NUMBER}))? (?P<outcome>[A-Z]+) with{_WORDS}",
        Stage.protect,
    ),
    (rf"{_WHO} cancels all", Stage.cancel_all),
    (rf"{_WHO} cancels (?P<order_id>\S+)", Stage.cancel),
    (r"time passes", Stage.pass_time),
    (r"market (?P<status>opens|halts|closes)( with tick (?P<tick>\S+))?", Stage.change_status),
    (rf"(?P<outcome>[A-Z]+) is withdrawn at (?P<price>{_NUMBER})", Stage.withdraw),
    (r"fees are (?P<maker>\d+)% off for makers, (?P<taker>\d+)% for takers", Stage.discount),
    (
        rf"{_WHO} has (?P<free>{_NUMBER}) free(, (?P<held>{_NUMBER}) held)?(, (?P<positions>.+))?",
        Stage.check_account,
    ),
    (r"book (?P<outcome>[A-Z]+): (?P<levels>.+)", Stage.check_book),
)
