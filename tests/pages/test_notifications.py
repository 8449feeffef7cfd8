"""The bell, the list behind it, and what one wants to hear of."""

import pytest

from tests.trading.world import make_market, make_user
from trading.models import Notification, NotificationPreference

pytestmark = pytest.mark.django_db

FILL = {
    "outcome": 0, "side": 1, "as_no": False, "price_pips": 6_000, "quantity_lots": 1_000,
    "remaining_lots": 0, "lots": 1_000, "micros": 6_000_000,
}  # fmt: skip


@pytest.fixture
def alice(client):
    user = make_user("alice")
    client.force_login(user)
    return user


def notify(user, count=1):
    market = make_market()
    return Notification.objects.bulk_create(
        Notification(user=user, kind="fill", market=market, facts=FILL) for _ in range(count)
    )


def test_the_bell_counts_what_is_unread(client, alice):
    notify(alice, 3)
    assert "data-unread>3<" in client.get("/groups/").content.decode()
    assert "data-unread>3<" in client.get("/groups/").content.decode()
    # What is on the page is read, and what comes while it is drawn is more than its bell said.
    assert "data-unread hidden>" in client.get("/notifications/").content.decode()
    notify(alice)
    assert "data-unread>1<" in client.get("/groups/").content.decode()


def test_what_is_shown_is_read_from_then_on_and_only_one_s_own(client, alice):
    notify(make_user("bob"))
    page = client.get("/notifications/").content.decode()
    assert "Nothing yet" in page
    notify(alice)
    page = client.get("/notifications/").content.decode()
    assert "Bought 10 Yes at 0.60" in page
    assert "New" in page
    assert "New</span>" not in client.get("/notifications/").content.decode()
    assert Notification.objects.filter(read_at=None).count() == 1


def test_all_are_marked_as_read_at_once(client, alice):
    notify(alice, 40)
    assert client.post("/notifications/read/").url == "/notifications/"
    assert not Notification.objects.filter(read_at=None).exists()


def test_older_ones_are_a_page_away_at_a_constant_cost(
    client, alice, django_assert_max_num_queries
):
    notify(alice, 70)
    with django_assert_max_num_queries(20):
        page = client.get("/notifications/").content.decode()
    cursor = page.split("?cursor=")[1].split('"')[0]
    assert page.count("Bought 10 Yes") == 30
    assert client.get("/notifications/", {"cursor": cursor}).status_code == 200


def test_choices_are_kept(client, alice):
    assert client.get("/account/notifications/").status_code == 200
    client.post("/account/notifications/", {"fill-mail": "on", "resolved-site": "on"})
    chosen = NotificationPreference.objects.filter(user=alice).values_list(
        "kind", "on_site", "by_mail"
    )
    assert ("fill", False, True) in chosen
    assert ("resolved", True, False) in chosen
    assert ("voided", False, False) in chosen


@pytest.mark.parametrize("path", ["/notifications/", "/account/notifications/"])
def test_without_a_log_in_there_is_the_log_in_page(client, path):
    assert client.get(path).url == f"/accounts/login/?next={path}"
