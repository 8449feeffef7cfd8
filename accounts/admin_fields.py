"""Form fields that convert what people type to the integers that we store."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.models import User
from accounts.models.policy import FEE_RATE_PPM_MAX
from accounts.numbers import read_number, write_number
from kernel.errors import describe
from kernel.units import (
    LOTS_PER_CONTRACT,
    UnitError,
    format_amount,
    format_price,
    format_quantity,
    parse_amount_micros,
    parse_price_pips,
    parse_quantity_lots,
)

SECONDS_PER = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
SECONDS_MAX = 10**9
FEE_RATE_HELP = _(
    "Flat: an amount a contract, like 0.01. Quadratic: the factor k in"
    " k x price x (1 - price) a contract, like 0.07."
)


def parse_seconds(text: str) -> int:
    return sum(_parse_part(part) for part in text.lower().split())


def format_seconds(seconds: int) -> str:
    parts = []
    for unit, length in SECONDS_PER.items():
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def parse_whole(text: str) -> int:
    lots = parse_quantity_lots(text)
    if lots % LOTS_PER_CONTRACT:
        raise UnitError("not_whole")
    return lots // LOTS_PER_CONTRACT


def _parse_part(part: str) -> int:
    number, unit = part[:-1], part[-1]
    if part == "0":
        return 0
    if unit not in SECONDS_PER or not (number.isascii() and number.isdecimal()):
        raise UnitError("not_a_duration")
    return int(number[:12]) * SECONDS_PER[unit]


class ExactNumberField(forms.CharField):
    """A number of any size and precision, typed in the page's language; its plain notation."""

    widget = UnfoldAdminTextInputWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=60, **options)
        self.widget.attrs.setdefault("inputmode", "decimal")

    def clean(self, value: Any) -> str:
        try:
            return read_number(super().clean(value))
        except UnitError as error:
            raise ValidationError(describe(error), code=error.code) from None


class UnitFormField(forms.Field):
    """An exact decimal; its value is an integer number of units.

    It is typed in the page's language, or in plain notation if not localized. `parse` converts a
    plain text to units or raises UnitError; `show` is its inverse.
    """

    parse: ClassVar[Callable[..., int]]
    show: ClassVar[Callable[..., str]]
    widget = UnfoldAdminTextInputWidget

    def __init__(
        self,
        *,
        units_min: int = 0,
        units_max: int = 2**63 - 1,
        localize: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(localize=localize, **options)
        self.units_min, self.units_max = units_min, units_max
        self.widget.attrs.setdefault("inputmode", "decimal")

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        try:
            text = str(value).strip()
            units = type(self).parse(read_number(text) if self.localize else text)
        except UnitError as error:
            raise ValidationError(describe(error), code=error.code) from None
        if units < self.units_min:
            least = self.prepare_value(self.units_min)
            raise ValidationError(_("Not below %s.") % least, code="too_small")
        if units > self.units_max:
            most = self.prepare_value(self.units_max)
            raise ValidationError(_("At most %s.") % most, code="too_large")
        return units

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, int):
            return value  # an invalid input, shown again
        text = type(self).show(value)
        whole, _dot, fraction = text.partition(".")
        text = f"{whole}.{fraction.rstrip('0')}".rstrip(".")
        return write_number(text) if self.localize else text

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class WeightsField(forms.Field):
    """Whole numbers above 0, separated by semicolons; its value is a list, None if it is empty."""

    widget = UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> list[int] | None:
        parts = [part.strip() for part in str(value or "").split(";") if part.strip()]
        if not all(part.isascii() and part.isdecimal() and part.strip("0") for part in parts):
            raise ValidationError(_("Enter one whole number above 0 for each outcome."))
        return [int(part[:12]) for part in parts] or None

    def prepare_value(self, value: Any) -> Any:
        return "; ".join(map(str, value)) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class UserField(forms.Field):
    """A user, by handle: a drop-down list of all users would be too long."""

    widget = UnfoldAdminTextInputWidget

    def to_python(self, value: Any) -> User | None:
        handle = str(value or "").strip().lower()
        if not handle:
            return None
        user = User.objects.filter(handle=handle).first()
        if user is None:
            raise ValidationError(_("There is no user “%s”.") % handle, code="unknown_user")
        return user

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, int):
            return User.objects.filter(pk=value).values_list("handle", flat=True).first()
        return value.handle if isinstance(value, User) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((self.prepare_value(initial) or "") != (data or ""))


class AmountFormField(UnitFormField):
    """Credits; its value is micros."""

    parse, show = staticmethod(parse_amount_micros), staticmethod(format_amount)


class NumberFormField(UnitFormField):
    """Any number, below 0 too; its value is millionths."""

    parse, show = staticmethod(parse_amount_micros), staticmethod(format_amount)

    def __init__(self, **options: Any) -> None:
        super().__init__(units_min=1 - 2**63, **options)


class FeeRateField(AmountFormField):
    """A maker's or taker's rate of a fee schedule; its value is parts per million."""

    def __init__(self, **options: Any) -> None:
        super().__init__(units_max=FEE_RATE_PPM_MAX, **options)


class PriceFormField(UnitFormField):
    """A price in credits; its value is pips."""

    parse, show = staticmethod(parse_price_pips), staticmethod(format_price)


class QuantityFormField(UnitFormField):
    """Contracts; its value is lots."""

    parse, show = staticmethod(parse_quantity_lots), staticmethod(format_quantity)


class SecondsField(UnitFormField):
    """A length of time like "1h", "2d 12h" or "90s"; its value is seconds."""

    parse, show = staticmethod(parse_seconds), staticmethod(format_seconds)

    def __init__(self, **options: Any) -> None:
        super().__init__(units_max=SECONDS_MAX, localize=False, **options)
        self.widget.attrs["inputmode"] = "text"


class WholeField(UnitFormField):
    """A whole number; its label names the unit."""

    parse, show = staticmethod(parse_whole), staticmethod(str)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.widget.attrs["inputmode"] = "numeric"
