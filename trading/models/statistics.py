"""What is counted from the journal: candles, tickers, days. All of it can be derived again."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from trading.models.keys import account_key, market_key


class Candle(models.Model):
    """One minute of one outcome. Prices of trades are null in a minute without one."""

    market = market_key()
    outcome_index = models.SmallIntegerField(_("place of the outcome"))
    minute = models.BigIntegerField(_("minute"), help_text=_("Minutes since 1970, UTC."))
    open_pips = models.SmallIntegerField(_("open, in pips"), null=True)
    high_pips = models.SmallIntegerField(_("high, in pips"), null=True)
    low_pips = models.SmallIntegerField(_("low, in pips"), null=True)
    close_pips = models.SmallIntegerField(_("close, in pips"), null=True)
    bid_pips = models.SmallIntegerField(_("bid, in pips"), null=True)
    ask_pips = models.SmallIntegerField(_("ask, in pips"), null=True)
    volume_lots = models.BigIntegerField(_("volume, in lots"), default=0)
    open_interest_lots = models.BigIntegerField(_("open interest, in lots"), default=0)
    trades = models.IntegerField(pgettext_lazy("several", "trades"), default=0)
    seq = models.BigIntegerField(
        _("sequence number"), help_text=_("The journal's sequence number that it reflects.")
    )

    class Meta:
        verbose_name = _("candle")
        verbose_name_plural = _("candles")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "outcome_index", "minute"), name="a_minute_has_one_candle"
            ),
        )
        indexes = (
            models.Index(
                fields=("market", "outcome_index", "minute"),
                name="candles_with_a_trade",
                condition=Q(close_pips__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"minute {self.minute} of market {self.market_id}"


class OutcomeStats(models.Model):
    """An outcome's ticker data besides the live book; derived from the journal."""

    market = market_key()
    outcome_index = models.SmallIntegerField(_("place of the outcome"))
    last_pips = models.SmallIntegerField(_("last, in pips"), null=True)
    bid_pips = models.SmallIntegerField(_("bid, in pips"), null=True)
    ask_pips = models.SmallIntegerField(_("ask, in pips"), null=True)
    volume_lots = models.BigIntegerField(_("volume, in lots"), default=0)
    trades = models.BigIntegerField(pgettext_lazy("several", "trades"), default=0)
    open_interest_lots = models.BigIntegerField(_("open interest, in lots"), default=0)
    seq = models.BigIntegerField(_("sequence number"), default=0)

    class Meta:
        verbose_name = _("statistics of an outcome")
        verbose_name_plural = _("statistics of outcomes")
        constraints = (
            models.UniqueConstraint(
                fields=("market", "outcome_index"), name="an_outcome_has_one_row_of_statistics"
            ),
        )

    def __str__(self) -> str:
        return f"statistics of outcome {self.outcome_index} of market {self.market_id}"


class DailyEquity(models.Model):
    """An account's cash and marked positions at the end of a UTC day."""

    account = account_key()
    day = models.DateField(_("day"))
    cash_micros = models.BigIntegerField(_("cash, in micros"))
    equity_micros = models.BigIntegerField(_("equity, in micros"))
    deposited_micros = models.BigIntegerField(
        _("deposited, in micros"), help_text=_("Grants and deposits less withdrawals.")
    )

    class Meta:
        verbose_name = _("daily equity")
        verbose_name_plural = _("daily equity")
        constraints = (
            models.UniqueConstraint(fields=("account", "day"), name="a_day_has_one_equity"),
        )
        indexes = (models.Index(fields=("day", "account"), name="equities_of_a_day"),)

    def __str__(self) -> str:
        return f"equity of account {self.account_id} on {self.day}"


class ExchangeDay(models.Model):
    """Activity on one UTC day (see `readmodels.activity`). `traders` are users' accounts."""

    day = models.DateField(_("day"), unique=True)
    volume_lots = models.BigIntegerField(_("volume, in lots"), default=0)
    volume_micros = models.BigIntegerField(_("volume, in micros"), default=0)
    trades = models.BigIntegerField(pgettext_lazy("several", "trades"), default=0)
    traders = models.IntegerField(_("traders"), default=0)
    counted_at = models.DateTimeField(_("counted at"))

    class Meta:
        verbose_name = _("day")
        verbose_name_plural = _("days")

    def __str__(self) -> str:
        return f"{self.day}"
