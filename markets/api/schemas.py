"""Serializers of this app's API. The rules for values are in `markets.actions`."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api.schemas import ChoiceField
from accounts.models import FeeType, User
from kernel.units import format_amount
from markets.actions import TAGS_MAX
from markets.actions.subsidy import find_subsidy
from markets.models import (
    CLARIFICATION_LENGTH_MAX,
    NUMBER_UNIT_LENGTH_MAX,
    OUTCOMES_MAX,
    Category,
    Event,
    Group,
    Market,
    Tag,
)
from markets.queries import ORDERS, find_resolution, list_clarifications, list_reachable
from web.fields import (
    AmountField,
    BooleanField,
    IntegerField,
    LineField,
    PriceField,
    QuantityField,
    StrictSerializer,
    TextField,
    TimeField,
)
from web.pagination import PageQuery

TEXT_LENGTH_MAX = 20_000

# --- input ------------------------------------------------------------------------------------


class ReferenceField(TextField):
    """The public name (slug, handle) of a row <-> the row; 400 `unknown_...` without one."""

    def __init__(self, model: Any, lookup: str = "slug", **kwargs: Any) -> None:
        super().__init__(max_length=80, **kwargs)
        self.model = model
        self.lookup = lookup

    def run_validation(self, data: Any = empty) -> Any:
        # Looked up only after the field's validators, which refuse NUL bytes.
        text = super().run_validation(data)
        if text is None:
            return None
        rows = self.model.objects.all()
        if self.model in (Tag, Event):
            rows = list_reachable(rows, self.context["user"])
        row = rows.filter(**{self.lookup: text}).first()
        if row is None:
            noun = self.model._meta.model_name
            raise serializers.ValidationError(f"there is no such {noun}", code=f"unknown_{noun}")
        return row


def validate_statuses(text: str) -> None:
    if text and not set(text.split(",")) <= set(Market.Status.values):
        raise serializers.ValidationError("there is no such status", code="invalid_choice")


class OutcomeInput(StrictSerializer):
    code = TextField(max_length=32)
    name = LineField(max_length=120)


class OutcomesInput(StrictSerializer):
    outcomes = OutcomeInput(many=True)


class MarketEdit(StrictSerializer):
    """Every field may be left out: then it stays as it is, or gets the policy's default."""

    title = LineField(max_length=200, required=False)
    description = TextField(max_length=TEXT_LENGTH_MAX, allow_blank=True, required=False)
    rules = TextField(max_length=TEXT_LENGTH_MAX, allow_blank=True, required=False)
    resolution_source = LineField(max_length=500, allow_blank=True, required=False)
    category = ReferenceField(Category, allow_null=True, required=False)
    tags = serializers.ListField(child=ReferenceField(Tag), max_length=TAGS_MAX, required=False)
    event = ReferenceField(Event, allow_null=True, required=False)
    resolver = ReferenceField(User, "handle", allow_null=True, required=False)
    visibility = ChoiceField(choices=Market.Visibility.choices, required=False)
    group = ReferenceField(Group, allow_null=True, required=False)
    open_at = TimeField(allow_null=True, required=False)
    close_at = TimeField(required=False)
    expected_settle_at = TimeField(allow_null=True, required=False)
    dispute_seconds = IntegerField(required=False)
    dispute_bond = AmountField(source="dispute_bond_micros", required=False)
    low = AmountField(
        source="low_millionths", required=False, help_text="Of a scalar market, as high and unit."
    )
    high = AmountField(source="high_millionths", required=False)
    unit = LineField(
        source="number_unit", max_length=NUMBER_UNIT_LENGTH_MAX, allow_blank=True, required=False
    )
    tick = PriceField(source="tick_pips", required=False)
    lot_step = QuantityField(source="lot_step_lots", required=False)
    fee_kind = ChoiceField(choices=FeeType.choices, required=False)
    fee_maker_rate = AmountField(required=False)
    fee_taker_rate = AmountField(required=False)
    fee_unit = AmountField(source="fee_unit_micros", required=False)
    position_limit = QuantityField(source="position_limit_lots", allow_null=True, required=False)
    strict_refund = BooleanField(required=False)
    matches_across_outcomes = BooleanField(required=False)
    maker_liquidity = QuantityField(source="maker_b_lots", allow_null=True, required=False)
    maker_subsidy = AmountField(
        source="maker_subsidy_micros",
        allow_null=True,
        required=False,
        help_text="What the maker may lose at most, in place of its liquidity.",
    )
    maker_priors = serializers.ListField(
        child=IntegerField(), max_length=OUTCOMES_MAX, allow_null=True, required=False
    )
    maker_alone = BooleanField(required=False)
    maker_funded_by_house = BooleanField(required=False)
    featured = BooleanField(required=False)


class NewMarket(MarketEdit):
    title = LineField(max_length=200)
    close_at = TimeField()
    kind = ChoiceField(choices=Market.Kind.choices, required=False)
    slug = TextField(max_length=80, required=False)
    outcomes = OutcomeInput(many=True, required=False)


class ClonedMarket(StrictSerializer):
    """What is other than in the market that is cloned."""

    title = LineField(max_length=200, required=False)
    slug = TextField(max_length=80, required=False)
    open_at = TimeField(allow_null=True, required=False)
    close_at = TimeField()


class NewMarketGroup(MarketEdit):
    """The answer stands for {answer} in title, description and rules, or behind the title."""

    title = LineField(max_length=200)
    close_at = TimeField()
    answers = serializers.ListField(child=LineField(max_length=120), max_length=OUTCOMES_MAX)


class Nothing(StrictSerializer):
    pass


class Approval(StrictSerializer):
    note = TextField(max_length=500, default="", allow_blank=True)


class Rejection(StrictSerializer):
    note = TextField(max_length=500)


class MarketQuery(PageQuery):
    status = TextField(
        max_length=100,
        default="",
        validators=[validate_statuses],
        help_text="One or more, with commas between them.",
    )
    category = TextField(max_length=80, default="")
    tag = TextField(max_length=80, default="")
    event = TextField(max_length=80, default="")
    series = TextField(max_length=80, default="")
    q = TextField(
        max_length=200,
        default="",
        allow_blank=True,
        help_text="Words: in title, outcomes, tags, category, event, series, description or rules.",
    )
    sort = ChoiceField(
        choices=list(ORDERS),
        default=None,
        help_text="Left out: `relevance` with a `q`, else `newest`.",
    )


# --- output -----------------------------------------------------------------------------------


class ShownOutcome(serializers.Serializer):
    index = serializers.IntegerField()
    code = serializers.CharField()
    name = serializers.CharField()
    payout = PriceField(source="payout_pips", allow_null=True)
    withdrawn_payout = PriceField(
        source="withdrawn_pips", allow_null=True, help_text="Null: it was not withdrawn."
    )
    withdrawn_at = TimeField(allow_null=True)


class ShownDiscount(serializers.Serializer):
    """By how many per cent the market's fees are lower, and when."""

    maker_percent = serializers.IntegerField()
    taker_percent = serializers.IntegerField()
    starts_at = TimeField()
    ends_at = TimeField(allow_null=True)
    is_applied = serializers.BooleanField(help_text="Whether it is in force now.")


class ShownMarketRow(serializers.Serializer):
    """A market as lists show it."""

    slug = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.CharField()
    status = serializers.CharField()
    approved = serializers.BooleanField(source="is_approved", help_text="It may be opened.")
    visibility = serializers.CharField()
    group = serializers.CharField(source="group.slug", allow_null=True)
    category = serializers.CharField(source="category.slug", allow_null=True)
    tags = serializers.SerializerMethodField()
    event = serializers.CharField(source="event.slug", allow_null=True)
    series = serializers.CharField(source="event.series.slug", allow_null=True)
    creator = serializers.CharField(source="creator.handle")
    resolver = serializers.CharField(source="resolver.handle", allow_null=True)
    outcomes = ShownOutcome(many=True)
    open_at = TimeField(allow_null=True)
    close_at = TimeField()
    expected_settle_at = TimeField(allow_null=True)
    settled_at = TimeField(allow_null=True)
    dispute_seconds = serializers.IntegerField()
    dispute_bond = AmountField(
        source="dispute_bond_micros", help_text="Lost if a dispute is dismissed; 0: none."
    )
    low = AmountField(source="low_millionths", allow_null=True, help_text="Null: no scalar market.")
    high = AmountField(source="high_millionths", allow_null=True)
    unit = serializers.CharField(source="number_unit", help_text="Of the number.")
    tick = PriceField(source="tick_pips")
    lot_step = QuantityField(source="lot_step_lots")
    fee_kind = serializers.CharField()
    fee_maker_rate = AmountField()
    fee_taker_rate = AmountField()
    fee_unit = AmountField(source="fee_unit_micros")
    position_limit = QuantityField(source="position_limit_lots", allow_null=True)
    strict_refund = serializers.BooleanField()
    matches_across_outcomes = serializers.BooleanField()
    maker_liquidity = QuantityField(
        source="maker_b_lots", allow_null=True, help_text="With which it opens. Null: no maker."
    )
    maker_subsidy = serializers.SerializerMethodField(
        help_text="What the maker is funded with when it opens: the most that it can lose."
    )
    maker_priors = serializers.ListField(
        child=serializers.IntegerField(), allow_null=True, help_text="Null: even odds."
    )
    maker_alone = serializers.BooleanField(help_text="No order rests.")
    maker_funded_by_house = serializers.BooleanField()
    currency = serializers.CharField()
    featured = serializers.BooleanField()
    volume = QuantityField(source="stats.volume_lots")
    volume_24h = QuantityField(source="stats.volume_24h_lots")
    last_price = PriceField(source="stats.last_price_pips", allow_null=True)
    last_number = serializers.SerializerMethodField(
        help_text="Of a scalar market: the number that the last price stands for."
    )
    settled_number = serializers.SerializerMethodField(help_text="Of a scalar market, once it is.")
    traders = serializers.IntegerField(source="stats.traders")
    created_at = TimeField()
    updated_at = TimeField()

    @extend_schema_field(AmountField(allow_null=True))
    def get_maker_subsidy(self, market: Market) -> str | None:
        subsidy_micros = find_subsidy(market)
        return None if subsidy_micros is None else format_amount(subsidy_micros)

    def get_last_number(self, market: Market) -> str | None:
        if market.scale is None or market.stats.last_price_pips is None:
            return None
        return f"{market.scale.find_number(2 * market.stats.last_price_pips):f}"

    def get_settled_number(self, market: Market) -> str | None:
        return market.settled_number or None

    def get_tags(self, market: Market) -> list[str]:
        return [tag.slug for tag in market.tags.all()]


class ShownReading(serializers.Serializer):
    """What an automatic resolver saw: a value, or the market that decided."""

    value = serializers.CharField(allow_null=True)
    threshold = serializers.CharField(allow_null=True)
    url = serializers.CharField(allow_null=True)
    sha256 = serializers.CharField(allow_null=True, help_text="Of the whole answer.")
    market = serializers.CharField(allow_null=True)
    at = serializers.CharField()


class ShownResult(serializers.Serializer):
    """The proposed or final result; `payout` is null for a void."""

    payout = serializers.ListField(
        child=PriceField(), source="payout_pips", allow_null=True, help_text="By outcome index."
    )
    number = serializers.SerializerMethodField(
        help_text="Of a scalar market: what was observed; the payout follows from it."
    )
    evidence_text = serializers.CharField()
    evidence_url = serializers.CharField()
    reading = ShownReading(allow_null=True)
    proposed_by = serializers.CharField(source="proposed_by.handle")
    proposed_at = TimeField()
    final_at = TimeField()
    disputes = serializers.IntegerField(source="dispute_count")

    def get_number(self, result: Any) -> str | None:
        return result.number or None


class NewClarification(StrictSerializer):
    text = TextField(max_length=CLARIFICATION_LENGTH_MAX)


class ShownClarification(serializers.Serializer):
    text = serializers.CharField()
    by = serializers.CharField(source="by.handle")
    created_at = TimeField()


class ShownResolver(serializers.Serializer):
    """What resolves a market by itself."""

    kind = serializers.CharField()
    url = serializers.CharField()
    value_path = serializers.CharField()
    comparison = serializers.CharField()
    threshold = serializers.CharField()
    threshold_path = serializers.CharField()
    time_path = serializers.CharField()
    source: Any = serializers.CharField(source="source.slug", allow_null=True)
    delay_seconds = serializers.IntegerField()
    patience_seconds = serializers.IntegerField()
    set_by = serializers.CharField(source="set_by.handle")
    approved_by = serializers.CharField(source="approved_by.handle", allow_null=True)
    state = serializers.CharField(help_text="waiting, proposed, or person: it waits for one.")
    because = serializers.CharField(help_text="What went wrong last.")


class ShownPanel(serializers.Serializer):
    """Judges, as many of whose equal verdicts as are needed are proposed as the result."""

    judges = serializers.SerializerMethodField()
    verdicts_needed = serializers.IntegerField()

    def get_judges(self, panel: Any) -> list[str]:
        return [judge.user.handle for judge in panel.judges.all()]


class ShownMarket(ShownMarketRow):
    description = serializers.CharField()
    rules = serializers.CharField()
    resolution_source = serializers.CharField()
    fee_discount = serializers.SerializerMethodField()
    clarifications = serializers.SerializerMethodField(
        help_text="What was added to the rules since, oldest first."
    )
    automatic_resolver = serializers.SerializerMethodField()
    panel = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()

    @extend_schema_field(ShownDiscount(allow_null=True))
    def get_fee_discount(self, market: Market) -> Any:
        discount = getattr(market, "discount", None)
        return None if discount is None else ShownDiscount(discount).data

    @extend_schema_field(ShownClarification(many=True))
    def get_clarifications(self, market: Market) -> Any:
        return ShownClarification(list_clarifications(market), many=True).data

    @extend_schema_field(ShownPanel(allow_null=True))
    def get_panel(self, market: Market) -> Any:
        panel = getattr(market, "panel", None)
        return None if panel is None else ShownPanel(panel).data

    @extend_schema_field(ShownResolver(allow_null=True))
    def get_automatic_resolver(self, market: Market) -> Any:
        resolver = getattr(market, "automatic_resolver", None)
        return None if resolver is None else ShownResolver(resolver).data

    @extend_schema_field(ShownResult(allow_null=True))
    def get_result(self, market: Market) -> Any:
        resolution = find_resolution(market)
        return None if resolution is None else ShownResult(resolution).data


class ShownMarketGroup(serializers.Serializer):
    event = serializers.CharField()
    markets = ShownMarket(many=True)


class ShownStatusChange(serializers.Serializer):
    from_status = serializers.SerializerMethodField(help_text="Null: its creation.")
    to_status = serializers.CharField()
    by = serializers.CharField(
        source="by.handle", allow_null=True, help_text="Null: the exchange itself."
    )
    reason = serializers.CharField()
    created_at = TimeField()

    def get_from_status(self, change: Any) -> str | None:
        return change.from_status or None


class ShownCategory(serializers.Serializer):
    slug = serializers.CharField()
    name = serializers.CharField()


class ShownTag(serializers.Serializer):
    slug = serializers.CharField()
    name = serializers.CharField()


class ShownSeries(serializers.Serializer):
    slug = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    category = serializers.CharField(source="category.slug", allow_null=True)


class ShownEvent(ShownSeries):
    series = serializers.CharField(source="series.slug", allow_null=True)
