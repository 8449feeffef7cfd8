"""Every page of the site, and who looks at it."""

from typing import NamedTuple


class Stop(NamedTuple):
    """`path` may name things of the town in braces."""

    viewer: str
    path: str
    status: int = 200


READ = (
    "/", "/?status=ended", "/?q=nothing+like+it", "/leaderboard/", "/@alice/", "/help/",
    "/help/api/", "/markets/rain/", "/markets/capitals/", "/markets/settled/", "/markets/void/",
    "/markets/fifty/", "/markets/long/", "/markets/cheap/", "/markets/dear/", "/markets/empty/",
    "/markets/halted/", "/markets/corrected/", "/markets/closed/", "/markets/resolving/",
    "/markets/rain/comments/", "/embed/rain/", "/embed/capitals/", "/accounts/login/",
    "/accounts/signup/", "/accounts/password/reset/", "/accounts/password/reset/done/",
)  # fmt: skip
# What asks again for the password when the log-in is old comes first.
LOGGED_IN = (
    "/account/keys/", "/account/webhooks/", "/account/webhooks/{webhook}/",
    "/account/subaccounts/",
    "/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/add/",
    "/accounts/2fa/webauthn/", "/account/privacy/", "/account/privacy/delete/", "/accounts/email/",
    "/accounts/password/change/", "/accounts/logout/", "/account/", "/account/security/",
    "/account/limits/", "/account/notifications/", "/accounts/reauthenticate/", "/",
    "/markets/rain/", "/markets/capitals/",
    "/markets/settled/", "/markets/corrected/", "/markets/resolving/", "/markets/long/",
    "/portfolio/",
    "/portfolio/orders/", "/portfolio/orders/?status=all", "/portfolio/standing/",
    "/portfolio/standing/?market=rain", "/portfolio/fills/",
    "/portfolio/settlements/", "/portfolio/transfers/", "/portfolio/money/", "/leaderboard/",
    "/@alice/", "/notifications/", "/simulator/", "/proposals/", "/groups/", "/groups/{group}/",
)  # fmt: skip
OPERATOR = (
    "/create/", "/markets/draft/", "/markets/draft/edit/", "/markets/closed/",
    "/groups/join/{invitation}/", "/portfolio/", "/notifications/",
)  # fmt: skip
ADMIN = (
    "/admin/", "/admin/markets/market/", "/admin/markets/market/{market_key}/change/",
    "/admin/markets/market/{market_key}/do/close/", "/admin/markets/market/import/",
    "/admin/markets/market/add/", "/admin/accounts/user/",
    "/admin/accounts/user/{user_key}/change/", "/admin/accounts/withdrawalrequest/",
    "/admin/accounts/account/grant/",
    "/admin/accounts/transfer/", "/admin/accounts/auditevent/", "/admin/accounts/policy/1/change/",
    "/admin/markets/exchange/1/change/", "/admin/markets/comment/",
    "/admin/trading/order/", "/admin/trading/trade/", "/admin/markets/event/add/",
    "/admin/markets/correction/", "/admin/trading/settlement/", "/admin/trading/position/",
    "/admin/markets/group/add/", "/admin/markets/seriesschedule/",
    "/admin/markets/seriesschedule/add/", "/admin/accounts/invitecode/add/",
)  # fmt: skip

STOPS = (
    *(Stop("nobody", path) for path in READ),
    Stop("nobody", "/nothing-here/", 404),
    *(Stop("alice", path) for path in LOGGED_IN),
    Stop("alice", "/create/", 403),
    *(Stop("olivia", path) for path in (*OPERATOR, *ADMIN)),
)
