"""What `manage.py verify` has to say, for tests that want it in a word."""

from trading.verify import check_everything


def find_broken() -> set[str]:
    """Return the names of the checks that found a breach."""
    return {finding.what for finding in check_everything() if finding.breaches}
