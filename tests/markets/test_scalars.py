"""Numbers of a scalar market: their prices, payouts and texts, exact."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation

from markets.actions import do_clone_market
from markets.csv_import import check_rows, read_rows
from markets.lifecycle import PayoutError, scalar_payout
from markets.models import Market
from markets.scalars import Scale, read_exact, write_exact
from markets.templatetags.scalars import (
    chance_in,
    change_in,
    distance_in,
    no_price_in,
    price_in,
    range_of,
    scale_data,
)
from tests.markets.factories import api_of, in_days, make_market, make_user, refusing

SEATS = Scale(1_000_000_000, 2_000_000_000, 100, "points")
MILLION = 1_000_000


def scalar(**fields):
    return {
        "kind": "scalar",
        "low_millionths": 1_000 * MILLION,
        "high_millionths": 2_000 * MILLION,
        "number_unit": "points",
        **fields,
    }


def test_a_number_pays_linearly_floored_to_pips_and_the_rest_to_the_other_side():
    for number, yes_pips in (
        ("1240", 2_400), ("1240.06", 2_400), ("1240.1", 2_401), ("1000", 0), ("999.9", 0),
        ("-5", 0), ("2000", 10_000), ("2000.0001", 10_000), ("1E+30", 10_000),
        ("1240.0999999999999999999999999999", 2_400),
    ):  # fmt: skip
        assert SEATS.compute_payout(Decimal(number)) == [yes_pips, 10_000 - yes_pips], number


def test_payouts_are_those_of_exact_fractions_in_any_range():
    chance = random.Random(7)
    for _ in range(2_000):
        low = chance.randrange(-(10**15), 10**15)
        high = low + chance.randrange(1, 10**15)
        text = f"{Decimal(chance.randrange(low * 1_000, high * 1_000 + 1)).scaleb(-9):f}"
        share = (Fraction(text) * MILLION - low) / (high - low)
        yes, no = Scale(low, high, 100).compute_payout(Decimal(text))
        assert yes == min(max(share * 10_000 // 1, 0), 10_000)
        assert yes + no == 10_000


def test_each_price_on_the_ladder_is_an_exact_number_and_back():
    for scale in (
        SEATS,
        Scale(-5_000_000, 5_000_000, 25),
        Scale(0, 10_000, 100),
        Scale(0, 1, 10_000),
    ):
        for price_pips in range(0, 10_001, scale.tick_pips):
            number = scale.find_number(2 * price_pips)
            assert scale.find_price_pips(int(number * MILLION)) == price_pips
    assert SEATS.find_price_pips(1_240 * MILLION + 1) is None


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "1e99", "1e-99", "0x10", "1" * 61, "1,5"])
def test_what_is_no_number_pays_nothing(text):
    assert read_exact(text) is None


def test_numbers_are_written_without_exponent_or_trailing_zeros():
    written = {text: write_exact(Decimal(text)) for text in ("1E+3", "1240.500", "-0.0010", "7")}
    assert written == {"1E+3": "1000", "1240.500": "1240.5", "-0.0010": "-0.001", "7": "7"}


@pytest.mark.django_db
def test_pages_say_a_price_as_the_number_that_it_stands_for():
    market = make_market(**scalar())
    said = (
        price_in(2_400, market), no_price_in(7_600, market), chance_in(4_900, market),
        change_in(-300, market), change_in(300, market), change_in(0, market),
        distance_in(200, market), price_in(None, market),
    )  # fmt: skip
    assert said == ("1,240", "1,240", "1,245\xa0points", "−30", "+30", "0", "20", "–")  # noqa: RUF001
    assert range_of(market) == "1,000 – 2,000\xa0points"  # noqa: RUF001
    assert scale_data(market) == "1000000000 2000000000 0 points"
    with translation.override("de"):
        assert price_in(2_400, market) == "1.240"


@pytest.mark.django_db
def test_of_other_markets_they_say_credits_and_per_cent():
    market = make_market()
    assert price_in(2_400, market) == "0.24"
    assert no_price_in(7_600, market) == "0.76"
    assert chance_in(4_900, market) == "25%"
    assert scale_data(market) == ""


@pytest.mark.django_db
def test_a_range_is_refused_where_ticks_are_no_numbers():
    for fields, code in (
        ({"low_millionths": None}, "range_missing"),
        ({"low_millionths": 2_000 * MILLION}, "range_missing"),
        ({"high_millionths": 1_000 * MILLION + 1}, "range_off_tick"),
        ({"high_millionths": 10**18 + 10**6}, "range_too_large"),
    ):
        with refusing(code, field="high" if code.endswith(("tick", "large")) else "low"):
            make_market(**scalar(**fields))
    with refusing("range_of_no_scalar", field="low"):
        make_market(**scalar(kind="binary"))


@pytest.mark.django_db
def test_the_database_knows_that_only_scalar_markets_have_a_range():
    market = make_market(**scalar())
    for fields in ({"low_millionths": None}, {"high_millionths": 0}, {"kind": "binary"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Market.objects.filter(pk=market.pk).update(**fields)


@pytest.mark.django_db
def test_the_api_creates_shows_and_clones_a_scalar_market():
    user = make_user(operator=True)
    body = {
        "title": "How many points?", "close_at": "2030-06-01T00:00:00Z", "kind": "scalar",
        "low": "1000", "high": "2000", "unit": "points",
    }  # fmt: skip
    answer = api_of(user).post("markets", body)
    assert answer.status_code == 201, answer.json()
    shown = answer.json()
    assert (shown["kind"], shown["low"], shown["high"], shown["unit"]) == (
        "scalar", "1000.000000", "2000.000000", "points",
    )  # fmt: skip
    assert [(row["code"], row["name"]) for row in shown["outcomes"]] == [
        ("YES", "Higher"), ("NO", "Lower"),
    ]  # fmt: skip
    clone = do_clone_market(
        Market.objects.get(slug=shown["slug"]),
        by=user,
        fields={"title": "And then?", "close_at": in_days(9)},
    )
    assert clone.scale == Scale(1_000 * MILLION, 2_000 * MILLION, 100, "points")


@pytest.mark.django_db
def test_csv_has_a_scalar_market_in_three_columns():
    text = "title,close_at,low,high,unit\nHow warm?,2030-06-01T00:00Z,-10.5,39.5,°C\n"
    text += "Without high?,2030-06-01T00:00Z,1,,\n"
    good, bad = check_rows(read_rows(text), by=make_user(operator=True))
    assert not good.errors
    assert good.fields["kind"] == "scalar"
    assert (good.fields["low_millionths"], good.fields["high_millionths"]) == (
        -10_500_000,
        39_500_000,
    )
    assert list(bad.errors) == ["low"]


@pytest.mark.django_db
def test_only_a_scalar_market_pays_by_a_number():
    with pytest.raises(PayoutError, match="scalar"):
        scalar_payout(make_market(), "1240")
