"""The demo's markets as data: questions that anyone can check, whenever the demo is created.

Texts refer to two days: `{opening}`, on which the demo was created, and `{day}`, at whose start
(UTC) trading ends.
"""

from typing import Any, Final, NamedTuple

Pair = tuple[str, str]

CATEGORIES: Final = ("Weather", "Finance", "Science", "Technology", "Culture")
TAG: Final = "demo"
"""The tag of every demo market, by which its traders find them."""


class DemoMarket(NamedTuple):
    """Without `outcomes` it is a yes/no question. `terms` are fields of the model."""

    slug: str
    title: str
    category: str
    tags: tuple[str, ...]
    closes_in_days: int
    rules: str
    source: str
    outcomes: tuple[Pair, ...] | None = None
    terms: dict[str, Any] = {}


MARKETS: Final = (
    DemoMarket(
        slug="rain-in-berlin",
        title="Will it rain in Berlin on {day}?",
        category="Weather",
        tags=("europe",),
        closes_in_days=5,
        rules="Yes if the station Berlin-Dahlem reports at least 0.1 mm of precipitation for {day},"
        " local time; otherwise No. If that station has no figure, Berlin-Tempelhof decides.",
        source="Deutscher Wetterdienst, daily observations: https://opendata.dwd.de",
        terms={"featured": True},
    ),
    DemoMarket(
        slug="warmth-in-berlin",
        title="How warm will it get in Berlin on {day}?",
        category="Weather",
        tags=("europe",),
        closes_in_days=6,
        rules="The highest temperature that the station Berlin-Dahlem reports for {day}, local"
        " time. If that station has no figure, Berlin-Tempelhof decides.",
        source="Deutscher Wetterdienst, daily observations: https://opendata.dwd.de",
        terms={
            "kind": "scalar",
            "low_millionths": -20_000_000,
            "high_millionths": 40_000_000,
            "number_unit": "°C",
        },
    ),
    DemoMarket(
        slug="warmest-capital",
        title="Which of these capitals will be the warmest on {day}?",
        category="Weather",
        tags=("europe",),
        closes_in_days=10,
        rules="The capital whose airport reports the highest temperature on {day}, local time, in"
        " whole degrees Celsius. Capitals that are equally warm share the payout.",
        source="METAR reports: https://aviationweather.gov/data/metar/",
        outcomes=(
            ("ATHENS", "Athens"),
            ("LISBON", "Lisbon"),
            ("MADRID", "Madrid"),
            ("NICOSIA", "Nicosia"),
            ("ROME", "Rome"),
            ("VALLETTA", "Valletta"),
        ),
        terms={"featured": True},
    ),
    DemoMarket(
        slug="gold-higher",
        title="Will gold cost more on {day} than on {opening}?",
        category="Finance",
        tags=("metals",),
        closes_in_days=14,
        rules="Yes if the LBMA Gold Price PM in US dollars of {day} is above that of {opening};"
        " otherwise No. A day without a price has that of the last day before it with one.",
        source="LBMA: https://www.lbma.org.uk/prices-and-data/precious-metal-prices",
        terms={"fee_kind": "quadratic", "fee_taker_rate": 70_000, "fee_unit_micros": 10_000},
    ),
    DemoMarket(
        slug="euro-dollar",
        title="Where will the euro stand on {day}, in dollars, compared with {opening}?",
        category="Finance",
        tags=("currencies", "europe"),
        closes_in_days=21,
        rules="The change of the ECB's euro reference rate for the US dollar from {opening} to"
        " {day}. A day without a rate has that of the last day before it with one.",
        source="European Central Bank: https://www.ecb.europa.eu/stats/eurofxref/",
        outcomes=(
            ("UP2", "More than 2% higher"),
            ("UP", "Higher by up to 2%"),
            ("DOWN", "The same, or lower by up to 2%"),
            ("DOWN2", "More than 2% lower"),
        ),
        terms={"fee_kind": "flat", "fee_taker_rate": 10_000},
    ),
    DemoMarket(
        slug="strong-earthquake",
        title="Will there be an earthquake of magnitude 7.0 or more before {day}?",
        category="Science",
        tags=("earth",),
        closes_in_days=28,
        rules="Yes if the catalogue lists an earthquake of magnitude 7.0 or more, anywhere, with"
        " an origin time after {opening} and before {day}, UTC; otherwise No. The catalogue as of"
        " two days later decides.",
        source="USGS earthquake catalogue: https://earthquake.usgs.gov",
        terms={"tick_pips": 10},
    ),
    DemoMarket(
        slug="orbital-launches",
        title="How many orbital launches will be attempted before {day}?",
        category="Science",
        tags=("space",),
        closes_in_days=17,
        rules="The number of orbital launch attempts, failures included, after {opening} and"
        " before {day}, UTC.",
        source="Jonathan's Space Report, launch log: https://planet4589.org",
        outcomes=(
            ("0-9", "9 or fewer"),
            ("10-12", "10 to 12"),
            ("13-15", "13 to 15"),
            ("16-18", "16 to 18"),
            ("19-UP", "19 or more"),
        ),
    ),
    DemoMarket(
        slug="most-read-article",
        title="Will the most-read Wikipedia article of {day} be about a person?",
        category="Culture",
        tags=("internet",),
        closes_in_days=7,
        rules="Yes if the English Wikipedia's article with the most page views on {day}, UTC, main"
        " page, searches and special pages left out, is about one person; otherwise No.",
        source="Wikimedia, topviews: https://pageviews.wmcloud.org/topviews/",
        terms={"lot_step_lots": 1},
    ),
    DemoMarket(
        slug="wikipedia-milestone",
        title="Will the English Wikipedia gain 4,000 articles from {opening} to {day}?",
        category="Culture",
        tags=("internet",),
        closes_in_days=8,
        rules="Yes if the number of articles that Special:Statistics shows at the beginning of"
        " {day}, UTC, is at least 4,000 above that at the beginning of {opening}; otherwise No.",
        source="https://en.wikipedia.org/wiki/Special:Statistics",
        terms={"maker_b_lots": 20_000, "maker_funded_by_house": True},
    ),
    DemoMarket(
        slug="next-python-release",
        title="Which of these will have a new release first, counted from {opening}?",
        category="Technology",
        tags=("software",),
        closes_in_days=35,
        rules="The project whose next release, by its own list of releases, pre-releases left out,"
        " is the first one after {opening}, UTC. NONE if none has one before {day}.",
        source="The release pages of the three projects",
        outcomes=(
            ("DJANGO", "Django"),
            ("NUMPY", "NumPy"),
            ("NONE", "None of them before the end"),
        ),
        terms={"strict_refund": True},
    ),
)
