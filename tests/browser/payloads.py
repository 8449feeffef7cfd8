"""Texts that would be a script if a page forgot that they are texts, written into every field."""

import re
from dataclasses import dataclass, field

from playwright.sync_api import Page, expect

from tests.browser.markets import find_close, open_market
from tests.browser.visitors import Visitor
from tests.e2e.people import Person

SHORT = '"><script data-hit>hit()</script>'
TINY = '"><b data-hit>'
LONG = f"{SHORT}</textarea><img data-hit src=x onerror=hit()> javascript:hit() '-hit()-'"
ADDRESS = "https://x.example/"
LINK = f'{ADDRESS}"onmouseover="hit()'
MARK = "data-hit"
AGENT = f"Mozilla/5.0 {SHORT}"
OUTCOMES = [{"code": f"HIT{number}", "name": f"{number} {LONG}"[:120]} for number in range(3)]
FIELDS = {
    "title": LONG,
    "description": f"{LONG} {LINK}",
    "rules": f"{LONG} {LINK}",
    "resolution_source": f"{LINK} {LONG}",
    "featured": True,
}

# Whatever comes to run, or to stand in the page as an element, is seen afterwards.
WATCH = "window.wasHit = false; window.hit = () => { window.wasHit = true; };"
FIND_HITS = f"""
() => [
  ...(window.wasHit ? ["it ran"] : []),
  ...[...document.querySelectorAll("[{MARK}]")].map((element) => element.outerHTML),
  ...[...document.querySelectorAll("[onmouseover]")].map((element) => element.outerHTML),
  ...[...document.querySelectorAll('[href^="javascript:hit" i], [src^="javascript:" i]')]
    .map((element) => element.outerHTML),
]
"""


@dataclass
class Payloads:
    """Where they have been written. `paths` shows each of them somewhere, by who looks at it."""

    operator: Person
    alice: Person
    bob: Person
    names: dict[str, str] = field(default_factory=dict)

    def write(self, hers: Visitor, his: Visitor) -> None:
        """`hers` is Alice's window, `his` the operator's."""
        self._write_policy(his.page)
        self._write_markets()
        self._write_money()
        self._write_account(hers)
        self._write_group(hers.page)
        self._write_comment(hers.page)
        self._write_catalogue(his.page)
        self.operator.call("PATCH", "exchange", {"announcement": LONG})

    # --- by the API

    def _write_markets(self) -> None:
        operator = self.operator
        open_market(operator, "binary", **FIELDS)
        fields = {**FIELDS, "kind": "categorical", "outcomes": OUTCOMES}
        open_market(operator, "several", **fields)
        self.alice.place("binary", "buy 10 YES @ 0.55")
        self.bob.place("binary", "sell 5 YES @ 0.55")
        self.alice.place("several", "buy 10 HIT1 @ 0.55")
        self.bob.place("several", "sell 5 HIT1 @ 0.55")
        self._reject_one()
        self._end_one()

    def _reject_one(self) -> None:
        alice = log_in(self.alice)
        texts = {name: text for name, text in FIELDS.items() if name != "featured"}
        draft = alice.call("POST", "markets", {**texts, "close_at": find_close()}, status=201)
        self.names["draft"] = draft["slug"]
        alice.call("POST", f"markets/{draft['slug']}/propose", {})
        self.operator.call("POST", f"markets/{draft['slug']}/reject", {"note": LONG})

    def _end_one(self) -> None:
        operator, slug = self.operator, "decided"
        fields = {**FIELDS, "kind": "categorical", "outcomes": OUTCOMES, "dispute_seconds": 3600}
        open_market(operator, slug, **fields)
        self.alice.place(slug, "buy 5 HIT0 @ 0.55")
        self.bob.place(slug, "sell 5 HIT0 @ 0.55")
        operator.call("POST", f"markets/{slug}/halt", {"reason": LONG})
        operator.call("POST", f"markets/{slug}/close", {"reason": LONG})
        result = {"payout": ["1", "0", "0"], "evidence_text": LONG}
        refused = {**result, "evidence_url": "javascript:hit()"}
        operator.call("POST", f"markets/{slug}/resolve", refused, status=400)
        operator.call("POST", f"markets/{slug}/resolve", {**result, "evidence_url": ADDRESS})
        alice = log_in(self.alice)
        alice.call("POST", f"markets/{slug}/dispute", {"text": LONG})

    def _write_money(self) -> None:
        alice = log_in(self.alice)
        request = {"amount": "10", "note": LONG}
        asked = alice.call("POST", "withdrawals", request, status=201)
        alice.call("POST", "withdrawals", request, status=201)
        alice.call("POST", "deposits", request, status=201)
        decision = {"decision": "reject", "reason": LONG}
        self.operator.call("POST", f"operator/withdrawals/{asked['id']}", decision)
        grant = {"handle": "bob", "amount": "5", "reason": LONG}
        self.operator.call("POST", "operator/deposits", grant, status=201)

    # --- by pages

    def _write_account(self, hers: Visitor) -> None:
        page = hers.page
        page.goto("/account/")
        page.get_by_label("Display name").fill(LONG[:60])
        page.get_by_label("About you").fill(f"{LONG} {LINK}")
        page.get_by_label("Positions").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Your profile is saved.")).to_be_visible()
        page.goto("/account/keys/")
        page.get_by_label("Name", exact=True).fill(LONG[:60])
        page.get_by_role("button", name="Create the key").click()
        hers.confirm_password()
        expect(page.get_by_role("heading", name="Your new key")).to_be_visible()

    def _write_group(self, page: Page) -> None:
        page.goto("/groups/")
        page.get_by_label("Name").fill(LONG[:80])
        page.get_by_label("What it is about").fill(f"{LONG} {LINK}")
        page.get_by_role("button", name="Create the group").click()
        page.get_by_role("button", name="Create a link").click()
        link = page.get_by_label("Invitation link").input_value()
        self.names["group"] = page.url.rstrip("/").split("/")[-1]
        self.names["invitation"] = link.rstrip("/").split("/")[-1]
        group = {"visibility": "group", "group": self.names["group"]}
        open_market(self.operator, "secret", **FIELDS, **group)

    def _write_comment(self, page: Page) -> None:
        page.goto("/markets/binary/")
        comments = page.get_by_role("region", name="Comments")
        for number in range(2):
            comments.get_by_label("Your comment").fill(f"{number} {LONG} {LINK}")
            comments.get_by_role("button", name="Comment", exact=True).click()
            expect(comments.get_by_text(f"{number} {SHORT}")).to_be_visible()

    # --- by the admin

    def _write_catalogue(self, admin: Page) -> None:
        for model in ("category", "tag"):
            admin.goto(f"/admin/markets/{model}/add/")
            admin.get_by_label("Name").fill(f"{model} {LONG}"[:80])
            admin.get_by_role("button", name="Save", exact=True).click()
            expect(admin.get_by_text("was added successfully")).to_be_visible()
        [category], [tag] = (
            self.operator.call("GET", path)["results"] for path in ("categories", "tags")
        )
        fields = {"category": category["slug"], "tags": [tag["slug"]]}
        self.operator.call("PATCH", "markets/binary", fields)
        self.names |= {"category": category["slug"], "tag": tag["slug"]}
        admin.goto("/markets/binary/")
        comments = admin.get_by_role("region", name="Comments")
        comments.get_by_label("Why it is hidden").first.fill(LONG[:200])
        comments.get_by_role("button", name="Hide").first.click()
        expect(comments.get_by_text("Hidden:")).to_be_visible()
        self.names["market_key"] = find_key(admin, "markets/market")

    def _write_policy(self, admin: Page) -> None:
        admin.goto("/admin/accounts/policy/")
        admin.get_by_label("Who may create").select_option("everyone")
        admin.get_by_label("Site's name").fill(LONG[:60])
        admin.get_by_label("Currency's name").fill(TINY)
        admin.get_by_label("Currency's symbol").fill(TINY[:8])
        admin.get_by_label("Reason").fill(LONG)
        admin.get_by_role("button", name="Save", exact=True).click()
        expect(admin.get_by_text("was changed successfully")).to_be_visible()
        self.names["user_key"] = find_key(admin, "accounts/user")


def log_in(person: Person) -> Person:
    """Return the same person with a token: requests for money, say, need one."""
    same = Person(person.exchange, person.handle)
    same.log_in()
    return same


def find_key(admin: Page, path: str) -> str:
    """Return the primary key of the newest row of a list."""
    text = admin.context.request.get(f"/admin/{path}/").text()
    return str(re.findall(rf"/admin/{path}/(\d+)/change/", text)[0])
