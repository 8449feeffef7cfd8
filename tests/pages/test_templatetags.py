"""How pages show units, times and icons."""

import re
from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

from accounts.models import Policy
from accounts.templatetags.predex import (
    amount,
    contracts,
    percent,
    points,
    price,
    short_contracts,
    sparkline,
    when,
)
from kernel.user_agents import describe_user_agent
from web.viewer import find_zone

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (None, "\N{EN DASH}"),
        (0, "0.00"),
        (1_234_500_000, "1,234.50"),
        (10**18, "1,000,000,000,000.00"),
        (4_999, "0.00"),
        (-5_500_000, "-5.50"),
    ],
)
def test_amounts_are_exact_and_grouped(micros, shown):
    assert amount(micros) == shown


def test_numbers_follow_the_language():
    with translation.override("de"):
        assert (amount(1_234_500_000), price(6_250)) == ("1.234,50", "0,625")


@pytest.mark.parametrize(
    ("pips", "shown"), [(100, "0.01"), (9_900, "0.99"), (6_250, "0.625"), (6_251, "0.6251")]
)
def test_a_price_has_as_many_decimals_as_it_needs(pips, shown):
    assert price(pips) == shown


@pytest.mark.parametrize(
    ("half_pips", "shown"),
    [(None, "\N{EN DASH}"), (20, "<1%"), (200, "1%"), (12_500, "63%"), (12_400, "62%"),
     (19_800, "99%"), (19_900, ">99%")],
)  # fmt: skip
def test_a_probability_is_never_0_or_100_percent(half_pips, shown):
    assert percent(half_pips) == shown


@pytest.mark.parametrize(
    ("lots", "shown"), [(1_000, "10"), (1_050, "10.5"), (1_005, "10.05"), (125_000_00, "125,000")]
)
def test_contracts(lots, shown):
    assert contracts(lots) == shown


@pytest.mark.parametrize(
    ("lots", "shown"),
    [(99_900, "999"), (100_000, "1.0K"), (1_999_900, "19K"), (1_250_000_00, "1.2M")],
)
def test_big_numbers_of_contracts_at_a_glance(lots, shown):
    assert short_contracts(lots) == shown


@pytest.mark.parametrize(("pips", "shown"), [(310, "+3"), (-1_200, "\N{MINUS SIGN}12"), (40, "0")])
def test_changes_have_a_sign(pips, shown):
    assert points(pips) == shown


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "place", "shown"),
    [
        ("P", "before", "P9,985.43"),
        ("Kr", "before_spaced", "Kr\N{NO-BREAK SPACE}9,985.43"),
        ("%", "after", "9,985.43%"),
        ("pts", "after_spaced", "9,985.43\N{NO-BREAK SPACE}pts"),
    ],
)
def test_money_carries_the_site_s_symbol_at_its_place(symbol, place, shown):
    Policy.objects.update(currency_symbol=symbol, currency_place=place)
    template = Template("{% load predex %}{{ gain|signed_money }} {{ loss|signed_money }}")
    text = template.render(Context({"gain": 9_985_430_000, "loss": -9_985_430_000}))
    assert text == f"+{shown} \N{MINUS SIGN}{shown}"


def test_times_are_in_the_viewer_s_zone_with_its_name():
    with timezone.override(find_zone("Europe/Berlin")):
        shown = when(datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    assert shown == (
        '<time datetime="2026-07-01T12:00:00+00:00" data-when="minute">'
        "Jul 1, 2026, 14:00 CEST</time>"
    )


@pytest.mark.parametrize(("language", "day"), [("en", "Jan 3, 2026"), ("de", "03.01.2026")])
def test_a_day_is_written_in_one_way_in_each_language(language, day):
    at = datetime(2026, 1, 3, 9, 5, tzinfo=UTC)
    template = Template(
        '{% load predex %}{{ at|moment }}|{{ at|date }}|{{ at }}|{{ at|date:"SHORT_DATE_FORMAT" }}'
    )
    with translation.override(language):
        assert re.sub("<[^>]*>", "", when(at, "day")) == day
        shown = template.render(Context({"at": at}))
    assert shown == f"{day}, 09:05 UTC|{day}|{day}, 09:05|{day}"


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "/etc/passwd", "Nowhere/Land", "x" * 1_000, "UTC\x00"]
)
def test_a_zone_that_is_none_is_utc(name):
    assert find_zone(name).key == "UTC"


def test_a_sparkline_needs_two_values():
    assert sparkline([5_000]) == ""
    assert 'points="0,' in sparkline([5_000, 6_000, 5_500])


def test_an_icon_escapes_its_label():
    template = Template('{% load predex %}{% icon "bell" label=label %}')
    assert "&lt;b&gt;" in template.render(Context({"label": "<b>"}))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
         "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
         " Version/18.5 Safari/605.1.15", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
         "Gecko) CriOS/138.0 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/138.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        ("python-httpx/0.28.1", "python-httpx 0.28.1"),
        ("curl/8.5.0 (x86_64)", "curl 8.5.0"),
        ("My bot", "My bot"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_program_is_named_as_people_know_it(said, shown):
    assert describe_user_agent(said) == shown
