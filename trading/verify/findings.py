"""The findings of checks."""

from collections.abc import Iterable
from typing import Final, NamedTuple

EXAMPLES_MAX: Final = 5


class Finding(NamedTuple):
    """Of `checked` rows `breaches` violate the invariant; some of them are named."""

    invariant: str
    what: str
    checked: int
    breaches: int
    examples: list[str]


def found(invariant: str, what: str, checked: int, broken: list[str]) -> Finding:
    return Finding(invariant, what, checked, len(broken), broken[:EXAMPLES_MAX])


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """Sum up the findings of each check, in the order of the invariants."""
    merged: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = finding.invariant, finding.what
        old = merged.get(key, Finding(*key, 0, 0, []))
        merged[key] = Finding(
            *key,
            old.checked + finding.checked,
            old.breaches + finding.breaches,
            [*old.examples, *finding.examples][:EXAMPLES_MAX],
        )
    return sorted(merged.values(), key=lambda finding: finding.invariant)
