"""Markets from a CSV file: its columns, and validation of each row.

The file is UTF-8, with or without a byte order mark, separated by commas or semicolons; its first
line names the columns, in any order. An empty cell means the default. Times without a zone are UTC.
Nothing here writes to the database: `actions.do_import_markets` does.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin_fields import (
    AmountFormField,
    NumberFormField,
    PriceFormField,
    QuantityFormField,
    SecondsField,
    WeightsField,
)
from accounts.models import FeeType, User
from kernel.errors import RefusedError, describe
from markets.actions import OutcomePair, check_create_market, check_create_market_group
from markets.models import NUMBER_UNIT_LENGTH_MAX, Category, Event, Group, Market, Tag
from markets.outcome_codes import make_codes

ROWS_MAX = 200
BYTES_MAX = 96 * 1024
CELL_LENGTH_MAX = 20_000

# Name: its description, and an example.
COLUMNS: dict[str, tuple[Any, str]] = {
    "title": (gettext_lazy("The question. Required."), "Will it rain in Oslo on 1 June?"),
    "close_at": (
        gettext_lazy("When trading ends: ISO 8601, in UTC unless it says otherwise. Required."),
        "2030-06-01T00:00Z",
    ),
    "outcomes": (
        gettext_lazy(
            "Names separated by semicolons, each with a code before = if you like; empty: Yes/No."
        ),
        "",
    ),
    "answers": (
        gettext_lazy(
            "Names separated by semicolons: a market of its own, yes or no, for each, in one event."
            " The name stands for {answer} in the title and rules."
        ),
        "",
    ),
    "low": (
        gettext_lazy("Of a market about a number: the lowest one, with a point."),
        "",
    ),
    "high": (gettext_lazy("And the highest one; with both there are no outcomes to name."), ""),
    "unit": (gettext_lazy("What follows the number, like °C or points."), ""),
    "description": (gettext_lazy("What it is about."), "Any rain that the station measures."),
    "rules": (gettext_lazy("What decides each outcome, in full."), "Yes if at least 0.1 mm fall."),
    "resolution_source": (gettext_lazy("Where the result can be looked up."), "https://www.yr.no"),
    "category": (gettext_lazy("The address (slug) of an existing one."), ""),
    "tags": (gettext_lazy("Addresses of existing tags, separated by semicolons."), ""),
    "event": (gettext_lazy("The address of an existing one."), ""),
    "resolver": (gettext_lazy("The handle of the user who may resolve it, besides operators."), ""),
    "visibility": (gettext_lazy("public, unlisted or group."), "public"),
    "group": (gettext_lazy("The address of the private group that sees it."), ""),
    "slug": (gettext_lazy("Its own address; leave empty to make it from the title."), ""),
    "open_at": (gettext_lazy("Opens by itself then; empty: opened by hand."), ""),
    "expected_settle_at": (gettext_lazy("When the result should be known."), ""),
    "dispute_window": (gettext_lazy("Like 1h or 2d 12h."), "1h"),
    "dispute_bond": (
        gettext_lazy("Held from who disputes a result; lost if the dispute is dismissed."),
        "",
    ),
    "tick": (gettext_lazy("The smallest step between prices."), "0.01"),
    "lot_step": (gettext_lazy("Orders must be a multiple of this many contracts."), "1"),
    "fee_kind": (gettext_lazy("none, flat or quadratic."), ""),
    "fee_maker_rate": (gettext_lazy("Like 0.07, with a point."), ""),
    "fee_taker_rate": (gettext_lazy("Like 0.07, with a point."), ""),
    "position_limit": (gettext_lazy("Most contracts of an outcome in one account."), ""),
    "strict_refund": (gettext_lazy("yes: gains stay in the market until it is final."), ""),
    "matches_across_outcomes": (
        gettext_lazy("no: the books of several outcomes are each matched by themselves."),
        "yes",
    ),
    "maker_liquidity": (
        gettext_lazy("Contracts of liquidity of an automated market maker; empty: none."),
        "",
    ),
    "maker_subsidy": (
        gettext_lazy("Instead of its liquidity: credits that the maker may lose at most."),
        "",
    ),
    "maker_priors": (
        gettext_lazy("The maker's first odds, a whole number for each outcome, like 3; 1."),
        "",
    ),
    "maker_alone": (gettext_lazy("yes: no order rests, everybody trades with the maker."), ""),
    "maker_funded_by_house": (gettext_lazy("yes: the house funds the maker, not you."), ""),
    "featured": (gettext_lazy("yes: shown first on the front page."), ""),
}
NEEDED = ("title", "close_at")
# Columns whose model field has another name.
FIELDS = {
    "dispute_window": "dispute_seconds",
    "dispute_bond": "dispute_bond_micros",
    "low": "low_millionths",
    "high": "high_millionths",
    "unit": "number_unit",
    "tick": "tick_pips",
    "lot_step": "lot_step_lots",
    "position_limit": "position_limit_lots",
    "maker_liquidity": "maker_b_lots",
    "maker_subsidy": "maker_subsidy_micros",
}
YES, NO = frozenset({"yes", "true", "1", "x"}), frozenset({"no", "false", "0"})


class FileRefused(Exception):  # noqa: N818 - a message for a person, not an error
    """The file as a whole cannot be read; the reason as a sentence."""


class Row(NamedTuple):
    """`line` is the line of the file on which the row begins."""

    line: int
    cells: dict[str, str]


class CheckedRow(NamedTuple):
    """`errors` are by column, "" for the row as a whole. Without errors it can be created."""

    line: int
    cells: dict[str, str]
    fields: dict[str, Any]
    outcomes: list[OutcomePair] | None
    answers: list[str] | None
    errors: dict[str, list[str]]


# --- reading -------------------------------------------------------------------------------------


def build_template() -> str:
    """Return a file with all columns and one example."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerow(example for _help, example in COLUMNS.values())
    return text.getvalue()


def decode(data: bytes) -> str:
    """Return the file's text; raises FileRefused."""
    if len(data) > BYTES_MAX:
        raise FileRefused(_("The file is too big: at most %d kB.") % (BYTES_MAX // 1024))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = _("The file is not UTF-8. In a spreadsheet, save it as “CSV UTF-8”.")
        raise FileRefused(message) from None
    if "\0" in text:
        raise FileRefused(_("This is not a text file."))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_rows(text: str) -> list[Row]:
    """Return the rows; raises FileRefused where the file has no such columns or too many rows."""
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    if not text.strip():
        raise FileRefused(_("The file is empty."))
    first_line = text.split("\n", 1)[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        return list(_read(reader))
    except csv.Error as error:
        message = _("Line %(line)d can't be read: %(why)s.")
        raise FileRefused(message % {"line": reader.line_num, "why": error}) from None


def _read(reader: Any) -> Iterable[Row]:
    names = [name.strip().lower() for name in next(reader)]
    _check_names(names)
    count, line = 0, reader.line_num + 1
    for cells in reader:
        begins, line = line, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > ROWS_MAX:
            raise FileRefused(_("Too many rows: at most %d.") % ROWS_MAX)
        if len(cells) > len(names):
            message = _("Line %(line)d has %(cells)d cells, but there are %(columns)d columns.")
            numbers = {"line": begins, "cells": len(cells), "columns": len(names)}
            raise FileRefused(message % numbers)
        yield Row(begins, {name: cell.strip() for name, cell in zip(names, cells, strict=False)})
    if not count:
        raise FileRefused(_("The file has no rows below its column names."))


def _check_names(names: list[str]) -> None:
    unknown = [name or "“”" for name in names if name not in COLUMNS]
    if unknown:
        raise FileRefused(_("Unknown columns: %s.") % ", ".join(unknown))
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise FileRefused(_("Missing columns: %s.") % ", ".join(missing))
    if len(set(names)) < len(names):
        raise FileRefused(_("A column appears twice."))


# --- checking ------------------------------------------------------------------------------------


class Known(NamedTuple):
    """The rows that a file refers to, by slug or handle, read in one query per kind."""

    category: Mapping[str, Category]
    tags: Mapping[str, Tag]
    event: Mapping[str, Event]
    resolver: Mapping[str, User]
    group: Mapping[str, Group]


def find_known(rows: Iterable[Row]) -> Known:
    names: dict[str, set[str]] = {column: set() for column in Known._fields}
    for row in rows:
        for column, named in names.items():
            named.update(_split(row.cells.get(column, "")))
    return Known(
        {row.slug: row for row in Category.objects.filter(slug__in=names["category"])},
        {row.slug: row for row in Tag.objects.filter(slug__in=names["tags"])},
        {row.slug: row for row in Event.objects.filter(slug__in=names["event"])},
        {row.handle: row for row in User.objects.filter(handle__in=names["resolver"])},
        {row.slug: row for row in Group.objects.filter(slug__in=names["group"])},
    )


def _text(length_max: int) -> forms.CharField:
    return forms.CharField(required=False, max_length=length_max)


class RowForm(forms.Form):
    """The cells of one row, by column name."""

    title = forms.CharField(max_length=200)
    close_at = forms.DateTimeField()
    description = _text(CELL_LENGTH_MAX)
    rules = _text(CELL_LENGTH_MAX)
    resolution_source = _text(500)
    outcomes = _text(CELL_LENGTH_MAX)
    answers = _text(CELL_LENGTH_MAX)
    low = NumberFormField(required=False, localize=False)
    high = NumberFormField(required=False, localize=False)
    unit = _text(NUMBER_UNIT_LENGTH_MAX)
    category = _text(80)
    tags = _text(1_000)
    event = _text(80)
    resolver = _text(80)
    visibility = forms.ChoiceField(required=False, choices=Market.Visibility.choices)
    group = _text(80)
    slug = _text(80)
    open_at = forms.DateTimeField(required=False)
    expected_settle_at = forms.DateTimeField(required=False)
    dispute_window = SecondsField(required=False)
    dispute_bond = AmountFormField(required=False, localize=False)
    tick = PriceFormField(required=False, localize=False)
    lot_step = QuantityFormField(required=False, localize=False)
    fee_kind = forms.ChoiceField(required=False, choices=FeeType.choices)
    fee_maker_rate = AmountFormField(required=False, localize=False)
    fee_taker_rate = AmountFormField(required=False, localize=False)
    position_limit = QuantityFormField(required=False, localize=False)
    strict_refund = _text(10)
    matches_across_outcomes = _text(10)
    maker_liquidity = QuantityFormField(required=False, localize=False)
    maker_subsidy = AmountFormField(required=False, localize=False)
    maker_priors = WeightsField(required=False)
    maker_alone = _text(10)
    maker_funded_by_house = _text(10)
    featured = _text(10)

    def __init__(self, cells: Mapping[str, str], *, known: Known) -> None:
        super().__init__(dict(cells))
        self.known = known

    def clean_outcomes(self) -> list[OutcomePair] | None:
        return parse_outcomes(self.cleaned_data["outcomes"])

    def clean_answers(self) -> list[str] | None:
        return _split(self.cleaned_data["answers"]) or None

    def clean_category(self) -> Category | None:
        return self._find("category")

    def clean_event(self) -> Event | None:
        return self._find("event")

    def clean_resolver(self) -> User | None:
        return self._find("resolver")

    def clean_group(self) -> Group | None:
        return self._find("group")

    def clean_tags(self) -> list[Tag]:
        names = _split(self.cleaned_data["tags"])
        missing = [name for name in names if name not in self.known.tags]
        if missing:
            raise ValidationError(_("There is no “%s”.") % missing[0])
        return [self.known.tags[name] for name in dict.fromkeys(names)]

    def clean_strict_refund(self) -> bool | None:
        return self._read_yes("strict_refund")

    def clean_matches_across_outcomes(self) -> bool | None:
        return self._read_yes("matches_across_outcomes")

    def clean_maker_alone(self) -> bool | None:
        return self._read_yes("maker_alone")

    def clean_maker_funded_by_house(self) -> bool | None:
        return self._read_yes("maker_funded_by_house")

    def clean_featured(self) -> bool | None:
        return self._read_yes("featured")

    def _find(self, column: str) -> Any:
        name = self.cleaned_data[column]
        if not name:
            return None
        found = getattr(self.known, column).get(name)
        if found is None:
            raise ValidationError(_("There is no “%s”.") % name)
        return found

    def _read_yes(self, column: str) -> bool | None:
        text = self.cleaned_data[column].lower()
        if text not in {*YES, *NO, ""}:
            raise ValidationError(_("Enter yes or no."))
        return None if not text else text in YES


def check_rows(rows: Iterable[Row], *, by: User) -> list[CheckedRow]:
    """Check each row independently, and that no two have the same slug."""
    rows = list(rows)
    known = find_known(rows)
    with timezone.override(UTC):
        checked = [_check(row, known, by) for row in rows]
    seen: dict[str, int] = {}
    for row in checked:
        slug = row.fields.get("slug", "")
        if slug in seen:
            row.errors.setdefault("slug", []).append(_("As in line %d.") % seen[slug])
        elif slug:
            seen[slug] = row.line
    return checked


def parse_outcomes(text: str) -> list[OutcomePair] | None:
    """Return codes and names of "RED=Red; Green"; None for an empty text: Yes and No."""
    pairs = [part.partition("=") for part in _split(text)]
    if not pairs:
        return None
    names = [(after if equals else before).strip() for before, equals, after in pairs]
    codes = [before.strip().upper() if equals else "" for before, equals, _after in pairs]
    made = make_codes(names)
    return [(code or spare, name) for code, spare, name in zip(codes, made, names, strict=True)]


def _check(row: Row, known: Known, by: User) -> CheckedRow:
    form = RowForm(row.cells, known=known)
    if not form.is_valid():
        said = {name: [str(text) for text in texts] for name, texts in form.errors.items()}
        return CheckedRow(row.line, row.cells, {}, None, None, said)
    given = {name for name, cell in row.cells.items() if cell}
    values = {FIELDS.get(name, name): form.cleaned_data[name] for name in given}
    outcomes = values.pop("outcomes", None)
    answers = values.pop("answers", None)
    if outcomes is not None:
        values["kind"] = Market.Kind.CATEGORICAL
    elif values.keys() & {"low_millionths", "high_millionths", "number_unit"}:
        values["kind"] = Market.Kind.SCALAR
    errors = {}
    try:
        if answers is not None and outcomes is not None:
            raise RefusedError("answers_or_outcomes", "answers")
        if answers is not None:
            check_create_market_group(by=by, fields=values, answers=answers)
        else:
            check_create_market(by=by, fields=values, outcomes=outcomes)
    except RefusedError as refusal:
        errors[refusal.field if refusal.field in COLUMNS else ""] = [describe(refusal)]
    return CheckedRow(row.line, row.cells, values, outcomes, answers, errors)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
