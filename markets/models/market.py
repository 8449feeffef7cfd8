"""Markets, their visibility, outcomes and history.

A market is one question with its outcomes; nothing here holds money, orders or trades. Prices are
pips (10,000 = one credit), quantities lots (100 = one contract), rates and fee units micros of a
credit (1,000,000 = one credit). A market's `id` is internal; its public identifier is its `slug`.

Rows are changed by `markets.actions` (and the trading app through `markets.lifecycle`), never by
`save()` logic; invariants for every writer are constraints in the database.
"""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.account import CURRENCY
from accounts.models.policy import FEE_RATE_PPM_MAX, FeeType
from markets.models.catalogue import Category, Event, Tag
from markets.models.group import Group, GroupMember
from markets.scalars import NUMBER_LENGTH_MAX, Scale

OUTCOMES_MIN = 2
OUTCOMES_MAX = 50
TICKS_PIPS = (10, 16, 20, 25, 40, 50, 80, 100, 125, 200, 250, 400, 500, 625, 1000, 1250, 2000,
              2500, 5000)  # fmt: skip
LOT_STEP_LOTS_MAX = 1_000_000
FEE_UNITS_MICROS = (1, 10_000)
POSITION_LIMIT_LOTS_MAX = 10**12
DISPUTE_SECONDS_MAX = 90 * 24 * 3600
DISPUTE_BOND_MICROS_MAX = 10**15
MAKER_LIQUIDITY_LOTS_MIN = 100
MAKER_LIQUIDITY_LOTS_MAX = 10**10
MAKER_PRIOR_MAX = 10**9
NUMBER_MILLIONTHS_MAX = 10**18
"""Bounds of a scalar market's range are at most a million millions, in millionths."""
NUMBER_UNIT_LENGTH_MAX = 20


def is_operator(user: Any) -> bool:
    """Whether the user is an operator, who sees every market; permissions govern the rest."""
    return bool(user is not None and user.is_authenticated and user.is_active and user.is_staff)


def acts_as_operator(user: Any) -> bool:
    """Whether this user's credential carries an operator's rights."""
    return is_operator(user) and user.may_operate


class MarketQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "MarketQuerySet":
        """The one rule of market visibility, for every page, API, feed and search.

        `user` is a User, AnonymousUser or None. Operators see all. A creator and a resolver see
        their own. Everyone else sees no draft and no proposal, and a group's market only as a
        member of that group.
        """
        if is_operator(user):
            return self.all()
        return self.filter(_managed_by(user) | (Q(status__in=PUBLIC_STATUSES) & _open_to(user)))

    def listed_for(self, user: Any) -> "MarketQuerySet":
        """Markets for lists: visible ones without other people's unlisted ones."""
        visible = self.visible_to(user)
        if is_operator(user):
            return visible
        return visible.filter(_managed_by(user) | ~Q(visibility=Market.Visibility.UNLISTED))


def _managed_by(user: Any) -> Q:
    if user is None or not user.is_authenticated:
        return Q(pk__in=())
    return Q(creator=user) | Q(resolver=user)


def _open_to(user: Any) -> Q:
    to_everyone = ~Q(visibility=Market.Visibility.GROUP)
    if user is None or not user.is_authenticated:
        return to_everyone
    return to_everyone | Q(group__in=GroupMember.objects.filter(user=user).values("group"))


class Market(models.Model):
    class Kind(models.TextChoices):
        BINARY = "binary", pgettext_lazy("a market", "Binary")
        CATEGORICAL = "categorical", pgettext_lazy("a market", "Categorical")
        SCALAR = "scalar", pgettext_lazy("a market", "Scalar")

    class Status(models.TextChoices):
        DRAFT = "draft", pgettext_lazy("a market", "Draft")
        PROPOSED = "proposed", pgettext_lazy("a market", "Proposed")
        OPEN = "open", pgettext_lazy("a market", "Open")
        HALTED = "halted", pgettext_lazy("a market", "Halted")
        CLOSED = "closed", pgettext_lazy("a market", "Closed")
        RESOLVING = "resolving", pgettext_lazy("a market", "Resolving")
        SETTLED = "settled", pgettext_lazy("a market", "Settled")
        VOIDED = "voided", pgettext_lazy("a market", "Voided")

    class Visibility(models.TextChoices):
        PUBLIC = "public", pgettext_lazy("a market", "Public")
        UNLISTED = "unlisted", pgettext_lazy("a market", "Unlisted")
        GROUP = "group", pgettext_lazy("a market", "Group")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.BINARY)
    low_millionths = models.BigIntegerField(
        _("lowest number, in millionths"),
        null=True,
        blank=True,
        help_text=_("Of a scalar market: at this number or below Lower is paid all."),
    )
    high_millionths = models.BigIntegerField(
        _("highest number, in millionths"),
        null=True,
        blank=True,
        help_text=_("Of a scalar market: at this number or above Higher is paid all."),
    )
    number_unit = models.CharField(
        _("unit of the number"),
        max_length=NUMBER_UNIT_LENGTH_MAX,
        blank=True,
        help_text=_("Like °C or points; it follows the number."),
    )
    settled_number = models.CharField(
        _("number it was settled at"), max_length=NUMBER_LENGTH_MAX, blank=True, editable=False
    )
    slug = models.SlugField(pgettext_lazy("on the site", "address"), max_length=80, unique=True)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    rules = models.TextField(
        _("rules"), blank=True, help_text=_("What decides each outcome, in full.")
    )
    resolution_source = models.CharField(_("resolution source"), max_length=500, blank=True)
    category = models.ForeignKey(
        Category,
        models.SET_NULL,
        verbose_name=_("category"),
        null=True,
        blank=True,
        related_name="markets",
    )
    tags = models.ManyToManyField(
        Tag, verbose_name=pgettext_lazy("of a market", "tags"), blank=True, related_name="markets"
    )
    event = models.ForeignKey(
        Event,
        models.SET_NULL,
        verbose_name=_("event"),
        null=True,
        blank=True,
        related_name="markets",
    )
    creator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("creator"),
        related_name="created_markets",
    )
    resolver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("resolver"),
        null=True,
        blank=True,
        related_name="markets_to_resolve",
        help_text=_("Who may resolve it besides operators."),
    )
    visibility = models.CharField(
        _("visibility"), max_length=10, choices=Visibility, default=Visibility.PUBLIC
    )
    group = models.ForeignKey(
        Group,
        models.PROTECT,
        verbose_name=_("group"),
        null=True,
        blank=True,
        related_name="markets",
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status, default=Status.DRAFT, editable=False
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        verbose_name=_("approved by"),
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        help_text=_("The operator who must approve the draft before it can be opened."),
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True, editable=False)

    open_at = models.DateTimeField(
        _("opens at"),
        null=True,
        blank=True,
        help_text=_("Opens by itself then; empty: opened by hand."),
    )
    close_at = models.DateTimeField(
        _("closes at"), help_text=_("No order is accepted from this moment on.")
    )
    expected_settle_at = models.DateTimeField(_("expected to settle at"), null=True, blank=True)
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True, editable=False)
    dispute_seconds = models.PositiveIntegerField(_("dispute window, in seconds"), default=0)
    dispute_bond_micros = models.PositiveBigIntegerField(
        _("bond of a dispute, in micros"),
        default=0,
        help_text=_("Held from who disputes a result; lost if the dispute is dismissed."),
    )

    tick_pips = models.PositiveSmallIntegerField(_("tick, in pips"), default=100)
    lot_step_lots = models.PositiveIntegerField(_("lot step, in lots"), default=100)
    fee_kind = models.CharField(_("fees"), max_length=10, choices=FeeType, default=FeeType.NONE)
    fee_maker_rate = models.PositiveIntegerField(
        _("maker's rate"),
        default=0,
        help_text=_("Quadratic: ppm of a credit (0.07 = 70,000). Flat: micros a contract."),
    )
    fee_taker_rate = models.PositiveIntegerField(
        _("taker's rate"), default=0, help_text=_("As the maker's rate.")
    )
    fee_unit_micros = models.PositiveSmallIntegerField(
        _("fees are rounded up to, in micros"),
        default=1,
        help_text=_("Fees are rounded up to it: 1 (a micro) or 10,000 (a cent)."),
    )
    position_limit_lots = models.PositiveBigIntegerField(
        _("position limit, in lots"), null=True, blank=True
    )
    strict_refund = models.BooleanField(
        _("strict refund"),
        default=False,
        help_text=_("Gains stay in the market until it is final; a void costs no one."),
    )
    matches_across_outcomes = models.BooleanField(
        _("matched across outcomes"),
        default=True,
        help_text=_(
            "Of several outcomes: orders that together make a complete set trade with each other."
        ),
    )
    maker_b_lots = models.PositiveBigIntegerField(
        _("market maker's liquidity, in lots"),
        null=True,
        blank=True,
        help_text=_("Empty: no automated maker. It is funded when the market opens."),
    )
    maker_priors = models.JSONField(
        _("market maker's first odds"),
        null=True,
        blank=True,
        help_text=_("A weight for each outcome; empty: all alike."),
    )
    maker_alone = models.BooleanField(
        _("only with the market maker"),
        default=False,
        help_text=_("No order rests: everybody trades with the maker."),
    )
    maker_funded_by_house = models.BooleanField(
        _("the house funds the market maker"),
        default=False,
        help_text=_("Else the creator's account pays for it."),
    )
    currency = models.CharField(_("currency"), max_length=12, default=CURRENCY)

    featured = models.BooleanField(_("featured"), default=False)
    shard = models.PositiveSmallIntegerField(_("shard"), default=0, editable=False)
    escrow_account_id = models.BigIntegerField(
        _("number of the escrow account"), null=True, editable=False
    )
    fees_account_id = models.BigIntegerField(
        _("number of the fees account"), null=True, editable=False
    )
    maker_account_id = models.BigIntegerField(
        _("number of the market maker's account"), null=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("updated at"), default=timezone.now, editable=False)

    objects = MarketQuerySet.as_manager()

    class Meta:
        verbose_name = _("market")
        verbose_name_plural = _("markets")
        permissions = (
            ("manage_markets", _("create, edit, approve, open, halt and close any market")),
            ("resolve_markets", _("resolve and void any market")),
        )
        indexes = (
            models.Index(fields=("created_at", "slug"), name="markets_by_age"),
            models.Index(fields=("close_at", "slug"), name="markets_by_closing"),
            models.Index(fields=("status", "open_at"), name="markets_by_opening"),
            models.Index(fields=("shard", "status"), name="markets_by_shard"),
        )
        constraints = (
            models.CheckConstraint(
                name="a_tick_divides_ten_thousand_pips", condition=Q(tick_pips__in=TICKS_PIPS)
            ),
            models.CheckConstraint(
                name="a_lot_step_is_1_to_1000000_lots",
                condition=Q(lot_step_lots__range=(1, LOT_STEP_LOTS_MAX)),
            ),
            models.CheckConstraint(
                name="a_fee_rate_is_0_to_1000000_ppm",
                condition=Q(fee_maker_rate__range=(0, FEE_RATE_PPM_MAX))
                & Q(fee_taker_rate__range=(0, FEE_RATE_PPM_MAX)),
            ),
            models.CheckConstraint(
                name="without_a_fee_kind_there_are_no_rates",
                condition=~Q(fee_kind="none") | Q(fee_maker_rate=0, fee_taker_rate=0),
            ),
            models.CheckConstraint(
                name="a_fee_unit_is_a_micro_or_a_cent",
                condition=Q(fee_unit_micros__in=FEE_UNITS_MICROS),
            ),
            models.CheckConstraint(
                name="a_market_closes_after_it_opens",
                condition=Q(open_at__isnull=True) | Q(close_at__gt=F("open_at")),
            ),
            models.CheckConstraint(
                name="group_visibility_needs_a_group",
                condition=~Q(visibility="group") | Q(group__isnull=False),
            ),
            models.CheckConstraint(
                name="a_position_limit_is_1_to_10_to_the_12_lots",
                condition=Q(position_limit_lots__isnull=True)
                | Q(position_limit_lots__range=(1, POSITION_LIMIT_LOTS_MAX)),
            ),
            models.CheckConstraint(
                name="a_maker_has_1_to_10_to_the_8_contracts_of_liquidity",
                condition=Q(maker_b_lots__isnull=True)
                | Q(maker_b_lots__range=(MAKER_LIQUIDITY_LOTS_MIN, MAKER_LIQUIDITY_LOTS_MAX)),
            ),
            models.CheckConstraint(
                name="nobody_trades_only_with_a_maker_that_is_not_there",
                condition=Q(maker_alone=False) | Q(maker_b_lots__isnull=False),
            ),
            models.CheckConstraint(
                name="a_dispute_window_is_at_most_90_days",
                condition=Q(dispute_seconds__range=(0, DISPUTE_SECONDS_MAX)),
            ),
            models.CheckConstraint(
                name="a_dispute_bond_is_at_most_a_billion_credits",
                condition=Q(dispute_bond_micros__range=(0, DISPUTE_BOND_MICROS_MAX)),
            ),
            models.CheckConstraint(
                name="a_market_is_settled_or_voided_at_a_time",
                condition=Q(status__in=("settled", "voided"), settled_at__isnull=False)
                | (~Q(status__in=("settled", "voided")) & Q(settled_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="an_approval_has_an_operator_and_a_time",
                condition=Q(approved_by__isnull=True, approved_at__isnull=True)
                | Q(approved_by__isnull=False, approved_at__isnull=False),
            ),
            models.CheckConstraint(
                name="a_market_that_trades_was_approved",
                condition=Q(status__in=("draft", "proposed")) | Q(approved_at__isnull=False),
            ),
            models.CheckConstraint(
                name="a_market_status_is_a_known_one",
                condition=Q(
                    status__in=(
                        "draft",
                        "proposed",
                        "open",
                        "halted",
                        "closed",
                        "resolving",
                        "settled",
                        "voided",
                    )
                ),
            ),
            models.CheckConstraint(
                name="a_market_is_binary_categorical_or_scalar",
                condition=Q(kind__in=("binary", "categorical", "scalar")),
            ),
            models.CheckConstraint(
                name="a_scalar_market_has_a_range_and_no_other_has",
                condition=Q(
                    kind="scalar",
                    low_millionths__isnull=False,
                    high_millionths__isnull=False,
                    low_millionths__gte=-NUMBER_MILLIONTHS_MAX,
                    low_millionths__lt=F("high_millionths"),
                    high_millionths__lte=NUMBER_MILLIONTHS_MAX,
                )
                | (
                    ~Q(kind="scalar")
                    & Q(low_millionths__isnull=True, high_millionths__isnull=True, number_unit="")
                ),
            ),
            models.CheckConstraint(
                name="a_fee_kind_is_none_flat_or_quadratic",
                condition=Q(fee_kind__in=("none", "flat", "quadratic")),
            ),
            models.CheckConstraint(
                name="a_visibility_is_public_unlisted_or_group",
                condition=Q(visibility__in=("public", "unlisted", "group")),
            ),
        )

    def __str__(self) -> str:
        return self.title

    @property
    def is_approved(self) -> bool:
        return self.approved_at is not None

    @property
    def has_one_book(self) -> bool:
        """Whether NO is YES seen from the other side: in binary and scalar markets.

        A categorical market has a book for each outcome.
        """
        return self.kind != self.Kind.CATEGORICAL

    @property
    def is_scalar(self) -> bool:
        return self.kind == self.Kind.SCALAR

    @property
    def scale(self) -> Scale | None:
        """The range of a scalar market."""
        if self.low_millionths is None or self.high_millionths is None:
            return None
        return Scale(self.low_millionths, self.high_millionths, self.tick_pips, self.number_unit)

    @property
    def book_count(self) -> int:
        return 1 if self.has_one_book else len(self.outcomes.all())


HIDDEN_STATUSES = (Market.Status.DRAFT, Market.Status.PROPOSED)
PUBLIC_STATUSES = tuple(status for status in Market.Status if status not in HIDDEN_STATUSES)
FINAL_STATUSES = (Market.Status.SETTLED, Market.Status.VOIDED)
