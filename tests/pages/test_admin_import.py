"""Markets from a CSV file: previewed with errors per row, then created."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import AuditEvent
from markets.csv_import import ROWS_MAX, parse_outcomes
from markets.models import Category, Market, Tag
from tests.markets.factories import make_market, make_user

pytestmark = pytest.mark.django_db

URL = "/admin/markets/market/import/"
HEADER = "title,close_at"


@pytest.fixture
def operator():
    return make_user("olivia", operator=True)


@pytest.fixture
def site(operator):
    client = Client()
    client.force_login(operator, backend="accounts.backends.Backend")
    return client


def upload(site, text):
    data = text if isinstance(text, bytes) else text.encode()
    return site.post(URL, {"file": SimpleUploadedFile("markets.csv", data)})


def errors_of(page):
    return {row["line"]: row["errors"] for row in page.context["rows"] if row["errors"]}


def create(site, page, *, all_or_none="yes", status="draft"):
    text = page.context["choice"]["text"].value()
    return site.post(URL, {"text": text, "all_or_none": all_or_none, "status": status})


def test_the_template_is_a_file_that_can_be_imported(site):
    template = site.get(f"{URL}?template=1")
    assert template["Content-Type"] == "text/csv"
    page = upload(site, template.content)
    assert (page.status_code, page.context["good_count"], page.context["bad_count"]) == (200, 1, 0)
    assert not Market.objects.exists()
    assert create(site, page).status_code == 302
    market = Market.objects.get()
    assert (market.tick_pips, market.lot_step_lots, market.dispute_seconds) == (100, 100, 3_600)


def test_every_column_is_read(site, operator):
    Category.objects.create(slug="weather", name="Weather")
    Tag.objects.create(slug="rain", name="Rain")
    Tag.objects.create(slug="oslo", name="Oslo")
    make_user("ruth")
    text = (
        "title;close_at;outcomes;category;tags;resolver;visibility;slug;open_at;dispute_window;"
        "tick;lot_step;fee_kind;fee_taker_rate;position_limit;strict_refund;featured;description\n"
        'Which, and "why"?;2030-06-01T02:00+02:00;"DRY=Dry; Wet; Søer";weather;"rain; oslo";ruth;'
        'unlisted;which-one;2030-05-01;2d 12h;0.001;2.5;quadratic;0.07;1000;yes;no;"Two\nlines"\n'
    )
    page = upload(site, "\ufeff".encode() + text.encode())
    assert errors_of(page) == {}
    create(site, page)
    market = Market.objects.get()
    assert (market.slug, market.kind, market.visibility) == ("which-one", "categorical", "unlisted")
    assert [(row.code, row.name) for row in market.outcomes.all()] == [
        ("DRY", "Dry"),
        ("WET", "Wet"),
        ("SER", "Søer"),
    ]
    assert market.close_at.isoformat() == "2030-06-01T00:00:00+00:00"
    assert market.open_at.isoformat() == "2030-05-01T00:00:00+00:00"
    assert (market.dispute_seconds, market.tick_pips, market.lot_step_lots) == (216_000, 10, 250)
    assert (market.fee_kind, market.fee_taker_rate) == ("quadratic", 70_000)
    assert (market.position_limit_lots, market.strict_refund, market.featured) == (
        100_000,
        True,
        False,
    )
    assert market.description == "Two\nlines"
    assert market.resolver.handle == "ruth"
    assert {tag.slug for tag in market.tags.all()} == {"rain", "oslo"}
    assert market.category.slug == "weather"
    assert (market.creator, market.approved_by) == (operator, operator)


WRONG = f"""{HEADER},tick,category,slug,outcomes,resolver,featured
Good?,2030-01-01,,,,,,
,2030-01-01,,,,,,
Late?,2001-01-01,,,,,,
When?,tomorrow,,,,,,
Fine?,2030-01-01,0.03,,,,,
Where?,2030-01-01,,nowhere,,,,
First?,2030-01-01,,,same,,,
Second?,2030-01-01,,,same,,,
One?,2030-01-01,,,,Only,,
Who?,2030-01-01,,,,,nobody_here,
So?,2030-01-01,,,,,,maybe
"""


def test_each_row_says_what_is_wrong_in_which_column(site):
    found = errors_of(upload(site, WRONG))
    assert {line: [column for column, _text in said] for line, said in found.items()} == {
        3: ["title"], 4: ["close_at"], 5: ["close_at"], 6: ["tick"], 7: ["category"],
        9: ["slug"], 10: ["outcomes"], 11: ["resolver"], 12: ["featured"],
    }  # fmt: skip
    assert found[7] == [("category", "There is no “nowhere”.")]
    assert found[9] == [("slug", "As in line 8.")]


def test_all_or_none_creates_none_and_the_other_choice_creates_the_good_ones(site, operator):
    page = upload(site, WRONG)
    refused = create(site, page)
    assert refused.status_code == 422
    assert not Market.objects.exists()
    assert create(site, page, all_or_none="no").status_code == 302
    assert {market.title for market in Market.objects.all()} == {"Good?", "First?"}
    event = AuditEvent.objects.get(action="import_markets")
    assert (event.actor, event.after["count"]) == (operator, 2)


def test_what_is_refused_at_the_last_moment_undoes_all_or_is_left_out(site):
    page = upload(site, f"{HEADER},slug\nOne?,2030-01-01,one\nTwo?,2030-01-01,two\n")
    make_market(slug="two")
    before = Market.objects.count()
    assert create(site, page).status_code == 422
    assert Market.objects.count() == before
    assert create(site, page, all_or_none="no").status_code == 302
    assert Market.objects.count() == before + 1


def test_markets_may_wait_for_a_colleague_s_approval(site):
    page = upload(site, f"{HEADER}\nOne?,2030-01-01\n")
    create(site, page, status="proposed")
    market = Market.objects.get()
    assert (market.status, market.approved_at) == ("proposed", None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The submitted file is empty."),
        (b"\n\n", "The file is empty."),
        (b"title,close_at\n", "no rows"),
        (b"title,close_at\n\xff\xfe,2030-01-01\n", "not UTF-8"),
        ("title,close_at\nÜber,2030".encode("utf-16"), "not UTF-8"),
        (b"title,close_at\nA\0?,2030-01-01\n", "not a text file"),
        (b"title,when\nOne?,2030-01-01\n", "Unknown columns: when."),
        (b"title\nOne?\n", "Missing columns: close_at."),
        (b"title,title,close_at\nOne?,Two?,2030-01-01\n", "appears twice"),
        (b"title,close_at\nOne?,2030-01-01,more\n", "3 cells, but there are 2 columns"),
        (b'title,close_at\n"One?,2030-01-01\n', "can't be read"),
        (b"title,close_at\n" + b"One?,2030-01-01\n" * (ROWS_MAX + 1), "Too many rows"),
        (b"title,close_at\n" + b"x" * 100_000, "too big"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_in_words(site, data, message):
    page = upload(site, data)
    assert page.status_code == 422
    [said] = page.context["upload"].errors["file"]
    assert message in said


def test_the_preview_shows_text_and_runs_none(site):
    page = upload(site, f"{HEADER}\n<script>alert(1)</script>,2030-01-01\n").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_outcomes_are_names_with_or_without_codes():
    assert parse_outcomes("") is None
    assert parse_outcomes("Red; Green") == [("RED", "Red"), ("GREEN", "Green")]
    assert parse_outcomes("r=Red;Green;") == [("R", "Red"), ("GREEN", "Green")]


def test_the_list_of_markets_leads_to_the_import(site):
    page = site.get("/admin/markets/market/").content.decode()
    assert re.search(rf'href="{URL}"', page)


@pytest.mark.parametrize("turned", ["Rain\u202eniaR", "two\nlines", "a\x07b"])
def test_texts_follow_the_rule_of_every_other_entry_point(site, turned):
    page = upload(
        site,
        "title,close_at,outcomes,description\n"
        f'"{turned}",2030-06-01,,\n'
        f'Which?,2030-06-01,"{turned}; Other",\n'
        f'Rain?,2030-06-01,,"{turned}"\n',
    )
    said = "Control characters are not allowed here."
    expected = [[("title", said)], [("outcomes", said)], [("description", said)]]
    assert list(errors_of(page).values()) == (expected[:2] if "\n" in turned else expected)


def test_a_row_with_answers_makes_a_group_of_markets(site):
    text = (
        "title,close_at,answers,outcomes\n"
        'Does {answer} get a seat?,2030-06-01,"Ann; Bo",\n'
        "Dry?,2030-06-01,,\n"
    )
    page = upload(site, text.encode())
    assert errors_of(page) == {}
    create(site, page, status="proposed")
    titles = set(Market.objects.values_list("title", flat=True))
    assert titles == {"Does Ann get a seat?", "Does Bo get a seat?", "Dry?"}
    assert Market.objects.filter(event__isnull=False, status="proposed").count() == 2
    both = 'title,close_at,answers,outcomes\nBoth?,2030-06-01,"Ann; Bo","A; B"\n'
    [said] = errors_of(upload(site, both.encode())).values()
    assert said == [("answers", "Give answers or outcomes, not both.")]
