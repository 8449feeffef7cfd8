"""What the models of this app are called."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.names import FEE_KINDS, SHARED

MODELS: Final = {
    "Category": (_("category"), _("categories")),
    "Tag": (pgettext_lazy("of a market", "tag"), pgettext_lazy("of a market", "tags")),
    "Series": (_("series"), pgettext_lazy("several", "series")),
    "Event": (_("event"), _("events")),
    "Group": (_("group"), _("groups")),
    "GroupMember": (_("group member"), _("group members")),
    "GroupInvitation": (_("group invitation"), _("group invitations")),
    "Market": (_("market"), _("markets")),
    "Outcome": (_("outcome"), _("outcomes")),
    "StatusChange": (_("status change"), _("status changes")),
    "MarketStats": (_("market statistics"), _("market statistics")),
    "Comment": (_("comment"), _("comments")),
    "CommentReport": (_("comment report"), _("comment reports")),
    "Exchange": (_("exchange"), _("exchange")),
    "Resolution": (_("result"), _("results")),
    "Dispute": (_("dispute"), _("disputes")),
}

FIELDS: Final = SHARED | {
    "announcement": _("announcement"),
    "author": _("author"),
    "by": pgettext_lazy("who did it", "by"),
    "close_at": _("closes at"),
    "comment": _("comment"),
    "creator": _("creator"),
    "decision": _("decision"),
    "dispute_seconds": _("dispute window, in seconds"),
    "escrow_account_id": _("number of the escrow account"),
    "event": _("event"),
    "evidence_text": _("evidence"),
    "evidence_url": _("address of the evidence"),
    "expected_settle_at": _("expected to settle at"),
    "featured": _("featured"),
    "fee_kind": _("fees"),
    "fee_maker_rate": _("maker's rate"),
    "fee_taker_rate": _("taker's rate"),
    "fee_unit_micros": _("fees are rounded up to, in micros"),
    "fees_account_id": _("number of the fees account"),
    "final_at": _("final at"),
    "from_status": _("from status"),
    "hidden_at": _("hidden at"),
    "hidden_by": _("hidden by"),
    "hidden_reason": _("reason for hiding"),
    "house_cover_micros": _("house cover, in micros"),
    "index": pgettext_lazy("of an outcome", "place"),
    "is_owner": pgettext_lazy("of a group", "owner"),
    "last_price_pips": _("last price, in pips"),
    "lot_step_lots": _("lot step, in lots"),
    "maintenance": _("maintenance"),
    "members": _("members"),
    "open_at": _("opens at"),
    "parent": _("answers to"),
    "payout_pips": _("payout, in pips"),
    "position": pgettext_lazy("in an order", "position"),
    "position_limit_lots": _("position limit, in lots"),
    "proposed_at": _("proposed at"),
    "proposed_by": _("proposed by"),
    "raised_at": _("raised at"),
    "raised_by": _("raised by"),
    "reporter": _("reporter"),
    "resolution": _("result"),
    "resolution_source": _("resolution source"),
    "resolver": _("resolver"),
    "rules": _("rules"),
    "series": _("series"),
    "settled_at": _("settled at"),
    "strict_refund": _("strict refund"),
    "tags": pgettext_lazy("of a market", "tags"),
    "tick_pips": _("tick, in pips"),
    "to_status": _("to status"),
    "traders": _("traders"),
    "trading_halted": _("trading halted"),
    "visibility": _("visibility"),
    "volume_24h_lots": _("volume of 24 hours, in lots"),
    "volume_lots": _("volume, in lots"),
    "withdrawn_by": _("withdrawn by"),
    "withdrawn_reason": _("reason for withdrawing"),
}

STATUSES: Final = {
    "draft": pgettext_lazy("a market", "Draft"),
    "proposed": pgettext_lazy("a market", "Proposed"),
    "open": pgettext_lazy("a market", "Open"),
    "halted": pgettext_lazy("a market", "Halted"),
    "closed": pgettext_lazy("a market", "Closed"),
    "resolving": pgettext_lazy("a market", "Resolving"),
    "settled": pgettext_lazy("a market", "Settled"),
    "voided": pgettext_lazy("a market", "Voided"),
}
CHOICES: Final[dict[str, dict[Any, Any]]] = {
    "Market.kind": {
        "binary": pgettext_lazy("a market", "Binary"),
        "categorical": pgettext_lazy("a market", "Categorical"),
    },
    "Market.visibility": {
        "public": pgettext_lazy("a market", "Public"),
        "unlisted": pgettext_lazy("a market", "Unlisted"),
        "group": pgettext_lazy("a market", "Group"),
    },
    "Market.status": STATUSES,
    "Market.fee_kind": FEE_KINDS,
    "StatusChange.to_status": STATUSES,
    "Dispute.decision": {
        "upheld": pgettext_lazy("a dispute", "Upheld"),
        "dismissed": pgettext_lazy("a dispute", "Dismissed"),
    },
}

HELPS: Final = {
    "Category.position": _("Order of the shelves."),
    "Market.rules": _("What decides each outcome, in full."),
    "Market.resolver": _("Who may resolve it besides operators."),
    "Market.approved_by": _("The operator who must approve the draft before it can be opened."),
    "Market.open_at": _("Opens by itself then; empty: opened by hand."),
    "Market.close_at": _("No order is accepted from this moment on."),
    "Market.fee_maker_rate": _(
        "Quadratic: ppm of a credit (0.07 = 70,000). Flat: micros a contract."
    ),
    "Market.fee_taker_rate": _("As the maker's rate."),
    "Market.fee_unit_micros": _("Fees are rounded up to it: 1 (a micro) or 10,000 (a cent)."),
    "Market.strict_refund": _("Gains stay in the market until it is final; a void costs no one."),
    "Outcome.payout_pips": _("What one contract was paid."),
    "StatusChange.from_status": _("Empty: its creation."),
    "StatusChange.by": _("Empty: the exchange itself (a time that came)."),
    "Exchange.trading_halted": _("No market takes orders; cancelling stays possible."),
    "Exchange.maintenance": _("Read-only: every write is refused."),
    "Resolution.final_at": _("End of the dispute window; it is paid from then on."),
    "Resolution.approved_by": _("The second person, where the policy asks for two."),
    "Resolution.house_cover_micros": _("What an operator confirmed that the house pays in a void."),
}

PERMISSIONS: Final = {
    "manage_markets": _("create, edit, approve, open, halt and close any market"),
    "resolve_markets": _("resolve and void any market"),
    "moderate_comments": _("hide comments and show them again"),
    "run_exchange": _("halt the exchange and put it into maintenance"),
}
