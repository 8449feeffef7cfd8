"""Comments on a market: written, answered, withdrawn, reported, hidden; never a script."""

import pytest
from django.contrib.auth.models import Permission

from accounts.models import AuditEvent
from markets.actions import do_comment
from markets.models import Comment, CommentReport, Market
from tests.trading.world import make_market, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def verified(settings):
    """Nobody here has to verify an e-mail address first."""
    settings.EMAIL_VERIFICATION_REQUIRED = False


@pytest.fixture
def market():
    market = make_market()
    Market.objects.filter(pk=market.pk).update(status="open")
    market.refresh_from_db()
    return market


@pytest.fixture
def alice(client):
    user = make_user("alice")
    client.force_login(user)
    return user


def write(client, market, text, **fields):
    return client.post(
        f"/markets/{market.slug}/comments/write/",
        {"text": text, **fields},
        headers={"HX-Request": "true"},
    )


def show(client, market):
    return client.get(
        f"/markets/{market.slug}/comments/", headers={"HX-Request": "true"}
    ).content.decode()


def test_a_comment_and_its_reply_stand_under_the_market(client, market, alice):
    assert "First!" in write(client, market, "First!").content.decode()
    first = Comment.objects.get()
    page = write(client, market, "And second.", parent=first.pk.hex).content.decode()
    assert page.index("First!") < page.index("And second.")
    assert Comment.objects.get(parent=first).author == alice


def test_a_reply_to_a_reply_and_to_another_market_s_comment_are_refused(client, market, alice):
    first = do_comment(market, by=alice, text="one")
    reply = do_comment(market, by=alice, text="two", parent=first)
    other = make_market()
    Market.objects.filter(pk=other.pk).update(status="open")
    assert write(client, market, "three", parent=reply.pk.hex).status_code == 404
    assert write(client, other, "three", parent=first.pk.hex).status_code == 404
    assert write(client, market, "three", parent="no-uuid").status_code == 404


def test_a_script_is_text_and_a_link_is_nofollow(client, market, alice):
    page = write(
        client, market, "<script>alert(1)</script> see https://example.com/a"
    ).content.decode()
    assert "<script>alert(1)" not in page
    assert '<a href="https://example.com/a" rel="nofollow">' in page
    assert 'href="javascript' not in write(client, market, "javascript:alert(1)").content.decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "Write a comment first"), (" \n ", "Write a comment first"), ("x" * 2_001, "too long")],
)
def test_a_wrong_text_is_refused_beside_its_field_and_kept(client, market, alice, text, said):
    response = write(client, market, text)
    assert response.status_code == 422
    assert said in response.content.decode()
    assert Comment.objects.count() == 0


def test_the_seventh_comment_in_a_minute_waits(client, market, alice):
    for number in range(6):
        assert write(client, market, f"number {number}").status_code == 200
    response = write(client, market, "number 7")
    assert response.status_code == 422
    assert "Too many requests" in response.content.decode()
    assert "number 7</textarea>" in response.content.decode()


def test_only_an_author_withdraws(client, market, alice):
    comment = do_comment(market, by=alice, text="a secret")
    other = do_comment(market, by=make_user("bob"), text="bob's")
    withdraw = f"/markets/{market.slug}/comments/%s/withdraw/"
    assert client.post(withdraw % other.pk.hex).status_code == 404
    assert client.post(withdraw % comment.pk.hex).status_code == 302
    page = show(client, market)
    assert "a secret" not in page
    assert "Withdrawn by its author" in page
    assert "bob&#x27;s" in page
    comment.refresh_from_db()
    assert comment.text == ""


def test_a_report_counts_once(client, market, alice):
    comment = do_comment(market, by=make_user("bob"), text="spam")
    for _ in range(2):
        assert (
            client.post(f"/markets/{market.slug}/comments/{comment.pk.hex}/report/").status_code
            == 302
        )
    assert CommentReport.objects.get().reporter == alice


def test_only_a_moderator_hides_with_a_reason_and_an_audit_row(client, market, alice):
    comment = do_comment(market, by=make_user("bob"), text="rude words")
    hide = f"/markets/{market.slug}/comments/{comment.pk.hex}/hide/"
    assert client.post(hide, {"reason": "rude"}).status_code == 403
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="moderate_comments"))
    for reason in (" ", "x" * 501):
        assert client.post(hide, {"reason": reason}).status_code == 400
    assert client.post(hide, {"reason": "rude"}).status_code == 302
    assert "rude words" in show(client, market)
    client.logout()
    assert "Hidden by a moderator" in show(client, market)
    assert "rude words" not in show(client, market)
    event = AuditEvent.objects.get(action="hide_comment")
    assert (event.reason, event.before) == ("rude", {"text": "rude words"})


def test_without_a_log_in_there_is_a_way_to_one(client, market):
    assert "Log in to comment" in show(client, market)
    response = write(client, market, "anonymous")
    assert (response.status_code, response.url.split("?")[0]) == (302, "/accounts/login/")


def test_an_invisible_market_has_no_comments_either(client, market, alice):
    Market.objects.filter(pk=market.pk).update(status="draft")
    assert write(client, market, "psst").status_code == 404


def test_older_threads_are_a_page_away_in_a_constant_number_of_queries(
    client, market, alice, django_assert_max_num_queries
):
    bob = make_user("bob")
    rows = [Comment(market=market, author=bob, text=f"thread {n}.") for n in range(45)]
    Comment.objects.bulk_create(rows)
    Comment.objects.bulk_create(
        Comment(market=market, author=bob, parent=row, text="reply") for row in rows for _ in "ab"
    )
    with django_assert_max_num_queries(20):
        page = show(client, market)
    assert "thread 44." in page
    assert "thread 24." not in page
    cursor = page.split("?comments=")[1].split('"')[0]
    older = client.get(
        f"/markets/{market.slug}/comments/?comments={cursor}", headers={"HX-Request": "true"}
    )
    assert "thread 24." in older.content.decode()
    assert "thread 44." not in older.content.decode()
