"""Finding markets by words: where a word may stand, and which find comes first.

A market is found when each word stands in its title, in the name of one of its outcomes, on one of
its labels (tag, category, event, series) or in its description or rules; part of a word is enough.
Its relevance is the sum, over the words, of the weight of the best place in which each stands.
Only markets are searched, never rows beside them: who may not see a market does not find it.
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
SAID_OF_EVERY_BINARY: Final = ("Yes", "No")
"""Names of outcomes that tell no market from another."""


def search_markets(markets: QuerySet[Market], text: str) -> QuerySet[Market]:
    """Return the markets that have all the words, with their `relevance`; 0 without any word."""
    relevance: Expression = Value(0)
    for word in text.split()[:WORDS_MAX]:
        places = _list_places(word)
        anywhere = Q()
        for _weight, stands_there in places:
            anywhere |= stands_there
        markets = markets.filter(anywhere)
        relevance += Case(
            *(When(stands_there, then=Value(weight)) for weight, stands_there in places),
            default=Value(0),
            output_field=IntegerField(),
        )
    return markets.annotate(relevance=relevance)


def count_words(name: str, text: str) -> int:
    """Return how many of the words that are searched for stand in the name of an outcome."""
    words = text.split()[:WORDS_MAX]
    return sum(word.casefold() in name.casefold() for word in words)


def _list_places(word: str) -> list[tuple[int, Q]]:
    """Return (weight, condition), the weightiest first: what is cheap to look at is."""
    # Each list is made once: to look for its rows market by market takes longer.
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
    """A word of the title begins with it: "rain" is meant rather by Rain than by Ukraine."""
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
    """SQLite, and PostgreSQL with the locale C, know upper and lower case of ASCII letters only."""
    return {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
