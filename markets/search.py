"""Search for markets by words: the fields searched, and the ranking.

A market matches when each word occurs in its title, an outcome's name, a label (tag, category,
event, series), its description or rules; part of a word is enough. Its relevance is the sum, over
the words, of the weight of the best field in which each occurs. Only visible markets are searched,
never related rows by themselves, so that hidden markets cannot be found.
"""

from typing import Final

from django.db.models import (
    Case,
    Expression,
    IntegerField,
    Q,
    QuerySet,
    Value,
    When,
)

from markets.models import Market, Outcome

WORDS_MAX: Final = 8
SAID_OF_EVERY_BINARY: Final = ("Yes", "No", "Higher", "Lower")
"""Names of outcomes that do not distinguish markets."""


def search_markets(markets: QuerySet[Market], text: str) -> QuerySet[Market]:
    """Return the markets that match all words, with their `relevance`; 0 without words."""
    relevance: Expression = Value(0)
    for word in text.split()[:WORDS_MAX]:
        places = _list_places(word)
        anywhere = Q()
        for _weight, matches in places:
            anywhere |= matches
        markets = markets.filter(anywhere)
        relevance += Case(
            *(When(matches, then=Value(weight)) for weight, matches in places),
            default=Value(0),
            output_field=IntegerField(),
        )
    return markets.annotate(relevance=relevance)


def count_words(name: str, text: str) -> int:
    """Return how many of the search words occur in the name of an outcome."""
    words = text.split()[:WORDS_MAX]
    return sum(word.casefold() in name.casefold() for word in words)


def _list_places(word: str) -> list[tuple[int, Q]]:
    """Return (weight, condition), highest weight first, which also is cheapest first."""
    # Each subquery is evaluated once: a look-up per market takes longer.
    named = Outcome.objects.exclude(name__in=SAID_OF_EVERY_BINARY).filter(_contains("name", word))
    tagged = Market.tags.through.objects.filter(_contains("tag__name", word))
    return [
        (16, _begins_in_title(word)),
        (8, _contains("title", word)),
        (4, Q(pk__in=named.values("market"))),
        (
            2,
            _contains("category__name", word)
            | _contains("event__title", word)
            | _contains("event__series__title", word)
            | Q(pk__in=tagged.values("market")),
        ),
        (1, _contains("description", word) | _contains("rules", word)),
    ]


def _begins_in_title(word: str) -> Q:
    """A word of the title begins with it, so that "rain" ranks Rain above Ukraine."""
    condition = Q()
    for spelling in _list_spellings(word):
        condition |= Q(title__istartswith=spelling) | Q(title__icontains=f" {spelling}")
    return condition


def _contains(field: str, word: str) -> Q:
    condition = Q()
    for spelling in _list_spellings(word):
        condition |= Q(**{f"{field}__icontains": spelling})
    return condition


def _list_spellings(word: str) -> set[str]:
    """SQLite, and PostgreSQL with locale C, fold the case of ASCII letters only."""
    return {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
