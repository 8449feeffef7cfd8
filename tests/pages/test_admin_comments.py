"""Moderators in the admin: reported comments, hidden with a reason, shown again."""

import pytest
from django.contrib.auth.models import Group as Role

from accounts.models import User
from markets.actions import do_comment, do_report_comment
from markets.models import Comment, Market
from tests.trading.world import make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def comment(settings):
    settings.EMAIL_VERIFICATION_REQUIRED = False
    market = make_market()
    Market.objects.filter(pk=market.pk).update(status="open")
    market.refresh_from_db()
    comment = do_comment(market, by=make_user("bob"), text="buy my coins")
    do_report_comment(comment, by=make_user("alice"))
    return comment


@pytest.fixture
def moderator(client):
    user = User.objects.create_user("mona@example.com", "mona", "a-Pass-w0rd", is_staff=True)
    user.groups.add(Role.objects.get(name="moderator"))
    client.force_login(user)
    return user


def test_a_report_is_on_the_dashboard_and_leads_to_the_comment(client, comment, moderator):
    assert "buy my coins" in client.get("/admin/").content.decode()
    assert "buy my coins" in client.get("/admin/markets/commentreport/").content.decode()


@pytest.mark.parametrize("term", ["bob", ""])
def test_comments_are_found_by_author_and_market(client, comment, moderator, term):
    page = client.get("/admin/markets/comment/", {"q": term or comment.market.slug})
    assert "buy my coins" in page.content.decode()
    assert "buy my coins" not in client.get("/admin/markets/comment/?q=nobody").content.decode()


def test_a_comment_is_hidden_with_a_reason_and_shown_again(client, comment, moderator):
    hide = f"/admin/markets/comment/{comment.pk}/do/hide/"
    assert client.post(hide, {"reason": ""}).status_code == 422
    assert client.post(hide, {"reason": "advertising"}).status_code == 302
    comment.refresh_from_db()
    assert (comment.hidden_by, comment.hidden_reason) == (moderator, "advertising")
    assert client.post(f"/admin/markets/comment/{comment.pk}/do/show/").status_code == 302
    assert Comment.objects.get().is_shown


def test_other_roles_neither_see_nor_hide_comments(client, comment):
    user = User.objects.create_user("fin@example.com", "fin", "a-Pass-w0rd", is_staff=True)
    user.groups.add(Role.objects.get(name="finance"))
    client.force_login(user)
    assert client.get("/admin/markets/comment/").status_code == 403
    hide = client.post(f"/admin/markets/comment/{comment.pk}/do/hide/", {"reason": "x"})
    assert hide.status_code == 403
    assert Comment.objects.get().is_shown
