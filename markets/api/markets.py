"""Markets before they trade: list, show, create, edit, approve; and every market's history."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from accounts.api.permissions import SAFE_METHODS
from accounts.api.principal import Principal
from accounts.api.schemas import page_of
from accounts.idempotency import run_once
from accounts.models import User
from markets.actions import (
    check_not_in_maintenance,
    do_approve_market,
    do_clarify_market,
    do_clone_market,
    do_create_market,
    do_create_market_group,
    do_edit_market,
    do_propose_market,
    do_reject_market,
    do_set_outcomes,
)
from markets.api import schemas
from markets.models import Market
from markets.queries import (
    CATALOGUE,
    ORDERS,
    get_catalogue_row,
    get_market,
    list_markets,
    list_status_changes,
)
from web.pagination import paginate


class MarketApiView(ApiView):
    """Whoever may see a market may read about it; writing needs a key or log-in that trades."""

    read_scope = None
    write_scope = "trade"
    operators_call = True

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in SAFE_METHODS:
            check_not_in_maintenance()


class MarketsView(MarketApiView):
    @extend_schema(
        operation_id="markets_list",
        parameters=[schemas.MarketQuery],
        responses=page_of(schemas.ShownMarketRow),
    )
    def get(self, request: Request) -> Response:
        """List markets. Unlisted ones are found by their slug only; an unknown filter is a 404."""
        query = self.read_query(schemas.MarketQuery)
        cursor, limit = query.pop("cursor"), query.pop("limit")
        statuses = [status for status in query.pop("status").split(",") if status]
        search, sort = query.pop("q"), query.pop("sort")
        sort = sort or ("relevance" if search else "newest")
        for kind in CATALOGUE:
            if query[kind]:
                get_catalogue_row(kind, query[kind], user=request.user)
        markets = list_markets(request.user, statuses=statuses, search=search, sort=sort, **query)
        page = paginate(markets, order=ORDERS[sort], cursor=cursor, limit=limit)
        return Response(page.to_json(schemas.ShownMarketRow().to_representation))

    @extend_schema(request=schemas.NewMarket, responses={201: schemas.ShownMarket})
    def post(self, request: Request) -> Response:
        """Create a draft. With an `Idempotency-Key` header a repeat gets the first answer."""
        fields = self.read_body(schemas.NewMarket)
        outcomes = _pairs(fields.pop("outcomes")) if "outcomes" in fields else None

        def effect() -> tuple[int, Any]:
            market = do_create_market(by=_user(request), fields=fields, outcomes=outcomes)
            return 201, _show(market, request)

        key = request.headers.get("Idempotency-Key")
        body = cast("dict[str, Any]", request.data)
        account_id = cast("Principal", request.auth).account_id
        status, answer = run_once(account_id, key, "create_market", body, effect)
        return Response(answer, status=status)


class MarketGroupsView(MarketApiView):
    @extend_schema(request=schemas.NewMarketGroup, responses={201: schemas.ShownMarketGroup})
    def post(self, request: Request) -> Response:
        """Create a yes-or-no draft for each answer, in one event; any number of them may win.

        With an `Idempotency-Key` header a repeat gets the first answer.
        """
        fields = self.read_body(schemas.NewMarketGroup)
        answers = fields.pop("answers")

        def effect() -> tuple[int, Any]:
            made = do_create_market_group(by=_user(request), fields=fields, answers=answers)
            shown = [_show(market, request) for market in made]
            return 201, {"event": shown[0]["event"], "markets": shown}

        key = request.headers.get("Idempotency-Key")
        body = cast("dict[str, Any]", request.data)
        account_id = cast("Principal", request.auth).account_id
        status, answer = run_once(account_id, key, "create_market_group", body, effect)
        return Response(answer, status=status)


class MarketView(MarketApiView):
    @extend_schema(responses=schemas.ShownMarket)
    def get(self, request: Request, slug: str) -> Response:
        return Response(schemas.ShownMarket(get_market(slug, user=request.user)).data)

    @extend_schema(request=schemas.MarketEdit, responses=schemas.ShownMarket)
    def patch(self, request: Request, slug: str) -> Response:
        """Edit a draft. Operators may mend a later market's descriptive fields too."""
        market = get_market(slug, user=request.user)
        fields = self.read_body(schemas.MarketEdit)
        return Response(_show(do_edit_market(market, by=_user(request), fields=fields), request))


class OutcomesView(MarketApiView):
    @extend_schema(request=schemas.OutcomesInput, responses=schemas.ShownMarket)
    def put(self, request: Request, slug: str) -> Response:
        """Replace a draft's outcomes, in this order."""
        market = get_market(slug, user=request.user)
        outcomes = _pairs(self.read_body(schemas.OutcomesInput)["outcomes"])
        market = do_set_outcomes(market, by=_user(request), outcomes=outcomes)
        return Response(_show(market, request))


class ProposeView(MarketApiView):
    @extend_schema(request=schemas.Nothing, responses=schemas.ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Hand a finished draft to the operators."""
        market = get_market(slug, user=request.user)
        self.read_body(schemas.Nothing)
        return Response(_show(do_propose_market(market, by=_user(request)), request))


class ApproveView(MarketApiView):
    @extend_schema(request=schemas.Approval, responses=schemas.ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Let a proposed market be opened; it is a draft again until then."""
        market = get_market(slug, user=request.user)
        note = self.read_body(schemas.Approval)["note"]
        return Response(_show(do_approve_market(market, by=_user(request), reason=note), request))


class RejectView(MarketApiView):
    @extend_schema(request=schemas.Rejection, responses=schemas.ShownMarket)
    def post(self, request: Request, slug: str) -> Response:
        """Give a proposed market back to its creator, saying what has to change."""
        market = get_market(slug, user=request.user)
        note = self.read_body(schemas.Rejection)["note"]
        return Response(_show(do_reject_market(market, by=_user(request), reason=note), request))


class CloneView(MarketApiView):
    @extend_schema(request=schemas.ClonedMarket, responses={201: schemas.ShownMarket})
    def post(self, request: Request, slug: str) -> Response:
        """Create a draft with the texts, terms and outcomes of another market."""
        market = get_market(slug, user=request.user)
        fields = self.read_body(schemas.ClonedMarket)
        clone = do_clone_market(market, by=_user(request), fields=fields)
        return Response(_show(clone, request), status=201)


class ClarificationsView(MarketApiView):
    @extend_schema(request=schemas.NewClarification, responses={201: schemas.ShownMarket})
    def post(self, request: Request, slug: str) -> Response:
        """Add to the rules of a market that trades; who has something at stake is notified."""
        market = get_market(slug, user=request.user)
        text = self.read_body(schemas.NewClarification)["text"]
        do_clarify_market(market, by=_user(request), text=text)
        return Response(_show(market, request), status=201)


class HistoryView(MarketApiView):
    @extend_schema(parameters=[schemas.PageQuery], responses=page_of(schemas.ShownStatusChange))
    def get(self, request: Request, slug: str) -> Response:
        """List the changes of a market's status, oldest first: who, when, why."""
        market = get_market(slug, user=request.user)
        query = self.read_query(schemas.PageQuery)
        page = paginate(list_status_changes(market, user=request.user), order=["id"], **query)
        return Response(page.to_json(schemas.ShownStatusChange().to_representation))


def _user(request: Request) -> User:
    return cast("User", request.user)  # of a call that needs a scope


def _pairs(outcomes: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(outcome["code"], outcome["name"]) for outcome in outcomes]


def _show(market: Market, request: Request) -> dict[str, Any]:
    """Show a market as it is after a write."""
    return schemas.ShownMarket(get_market(market.slug, user=request.user)).data
