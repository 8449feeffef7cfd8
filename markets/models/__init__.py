"""Markets, their catalogue and history, their results, and the exchange as a whole."""

from markets.models.catalogue import Category, Event, Series, Tag
from markets.models.clarification import CLARIFICATION_LENGTH_MAX, Clarification
from markets.models.comment import Comment, CommentReport
from markets.models.correction import Correction
from markets.models.discount import MarketDiscount
from markets.models.exchange import Exchange
from markets.models.group import Group, GroupInvitation, GroupMember
from markets.models.market import (
    DISPUTE_BOND_MICROS_MAX,
    DISPUTE_SECONDS_MAX,
    FEE_UNITS_MICROS,
    FINAL_STATUSES,
    HIDDEN_STATUSES,
    LOT_STEP_LOTS_MAX,
    MAKER_LIQUIDITY_LOTS_MAX,
    MAKER_LIQUIDITY_LOTS_MIN,
    MAKER_PRIOR_MAX,
    NUMBER_MILLIONTHS_MAX,
    NUMBER_UNIT_LENGTH_MAX,
    OUTCOMES_MAX,
    OUTCOMES_MIN,
    POSITION_LIMIT_LOTS_MAX,
    PUBLIC_STATUSES,
    TICKS_PIPS,
    Market,
    MarketQuerySet,
    acts_as_operator,
    is_operator,
)
from markets.models.market_records import MarketStats, StatusChange, StatusOutbox
from markets.models.outcome import Outcome
from markets.models.panel import JUDGES_MAX, Panel, PanelJudge
from markets.models.resolution import Dispute, Resolution, describe_payout
from markets.models.resolver import PATIENCE_SECONDS_MAX, AutomaticResolver
from markets.models.schedule import ScheduledMarket, SeriesSchedule
