"""A user with a browser, and every error that the browser reports."""

from collections.abc import Callable
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Response,
    ViewportSize,
    expect,
)

from tests.e2e.people import PASSWORD, Person, wait_for
from tests.patience import PATIENCE_SECONDS

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
POLL_MS = 20
TEXT_CHARACTERS_SHOWN = 3_000

# What the browser refuses by our policy is reported to the page; this hands it to the test.
NOTE_BREACHES = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""
# What sticks out of something that scrolls by itself does not make the page scroll.
FIND_OVERFLOW = """
() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const scrolls = (element) => getComputedStyle(element).overflowX !== "visible";
  const isHeld = (element) => {
    for (let one = element.parentElement; one && one !== document.body; one = one.parentElement) {
      if (scrolls(one)) return true;
    }
    return false;
  };
  const wide = [...document.querySelectorAll("body *")].filter(
    (element) => element.getBoundingClientRect().right > clientWidth + 1 && !isHeld(element));
  const describe = ({ tagName, id, className }) => `${tagName}#${id}.${className}`;
  return [`${scrollWidth} px of ${clientWidth}`, ...wide.slice(0, 5).map(describe)];
}
"""
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
RUN_AXE = """
async (values) => {
  const runOnly = { type: "tag", values };
  const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(
    ({ target, failureSummary }) => [id, target.join(" "), failureSummary ?? ""]));
}
"""


def wait_until(page: Page, expression: str) -> Any:
    """Return the first true value of a JavaScript expression.

    Playwright's own `wait_for_function` evaluates within the page, which our policy forbids.
    """

    def ask() -> Any:
        page.wait_for_timeout(POLL_MS)  # the page's events come in while Playwright waits
        return page.evaluate(expression)

    return wait_for(ask)


class Visitor:
    """One browser window with its own cookies. `faults` are the unexpected errors."""

    def __init__(self, browser: Browser, base_url: str, **context: Any) -> None:
        options = {"viewport": DESKTOP, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        self.context = browser.new_context(base_url=base_url, **{**options, **context})
        self.context.add_init_script(NOTE_BREACHES)
        self.context.set_default_timeout(PATIENCE_SECONDS * 1_000)
        self.faults: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))

    def open(self, path: str, *, status: int = 200) -> Page:
        """Go to a page of the site, which must answer with this status."""
        response: Response | None = self.page.goto(path)
        assert response is not None
        assert response.status == status, f"{path}: {response.status}\n{response.text()[:2_000]}"
        if status >= 400:
            self.forgive_status(status)
        return self.page

    def forgive_status(self, status: int) -> None:
        """Chromium reports each response with an error status; this one was expected."""
        self.faults = [fault for fault in self.faults if f"status of {status}" not in fault]

    def log_in(self, person: Person) -> None:
        """Through the log-in page, as people do."""
        page = self.open("/accounts/login/")
        page.get_by_label("E-mail").fill(person.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Password").press("Enter")
        page.wait_for_url(lambda url: "/accounts/login" not in url)

    def confirm_password(self) -> None:
        """Reauthenticate, as security pages require."""
        page = self.page
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", name="Confirm it's you")).to_have_count(0)

    def find_overflow(self) -> list[str]:
        """Return what sticks out to the right of a page that scrolls sideways."""
        found: list[str] = self.page.evaluate(FIND_OVERFLOW)
        return found

    def find_barriers(self) -> list[str]:
        """Return what axe has against the page, by WCAG 2.2 A and AA."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate(RUN_AXE, AXE_TAGS)
        return [f"{rule}: {target}: {why}" for rule, target, why in found]

    def describe(self) -> str:
        """Return what the window shows as text, for reports of failed tests."""
        try:
            text = self.page.locator("body").inner_text(timeout=POLL_MS * 50)
        except Error as fault:
            text = str(fault)
        return f"--- {self.page.url}\n{text[:TEXT_CHARACTERS_SHOWN]}"

    def close(self) -> None:
        self.context.close()

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"{self.page.url}: {message.text}")


class Windows:
    """One window at a time, kept for all pages of one user."""

    def __init__(self, open_one: Callable[[str], Visitor]) -> None:
        self._open_one = open_one
        self._viewer = ""
        self._visitor: Visitor | None = None

    def find(self, viewer: str) -> Visitor:
        if self._visitor is None or viewer != self._viewer:
            self.close()
            self._viewer, self._visitor = viewer, self._open_one(viewer)
        return self._visitor

    def close(self) -> None:
        if self._visitor is not None:
            self._visitor.close()
