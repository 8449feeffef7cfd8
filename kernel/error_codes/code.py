"""What a code of an error says, and texts of several of them."""

from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class ErrorCode(NamedTuple):
    status: int
    message: str | None
    page_text: str | Promise | None = None
    field: str | None = None


ENTER_CONTRACTS: Final = _("Enter the number of contracts.")
PAST: Final = _("That time has already passed.")
