"""Groups: created, joined by a link, managed by their owners; invisible to others."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from markets.actions import do_create_group, do_invite, do_join
from markets.models import Group, GroupInvitation, GroupMember
from tests.trading.world import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def verified(settings):
    """Nobody here has to verify an e-mail address first."""
    settings.EMAIL_VERIFICATION_REQUIRED = False


@pytest.fixture
def alice():
    return make_user("alice")


@pytest.fixture
def bob():
    return make_user("bob")


@pytest.fixture
def group(alice):
    return do_create_group(by=alice, name="Insiders", description="We know")


def test_the_creator_of_a_group_owns_it(client, alice):
    client.force_login(alice)
    response = client.post("/groups/", {"name": "  Rain   makers ", "description": ""})
    group = Group.objects.get()
    assert (response.url, group.name) == (f"/groups/{group.slug}/", "Rain makers")
    assert GroupMember.objects.get(group=group).is_owner
    assert "Rain makers" in client.get("/groups/").content.decode()


@pytest.mark.parametrize(
    ("name", "said"), [("", "Give the group a name"), ("Insiders", "Another group has this name")]
)
def test_a_wrong_name_is_refused_beside_its_field(client, group, bob, name, said):
    client.force_login(bob)
    response = client.post("/groups/", {"name": name, "description": "kept text"})
    assert response.status_code == 422
    assert said in response.content.decode()
    assert "kept text" in response.content.decode()
    assert Group.objects.count() == 1


def test_a_link_lets_in_as_many_as_it_says_and_no_one_twice(client, group, alice, bob):
    invitation = do_invite(group, by=alice, uses_max=1)
    link = f"/groups/join/{invitation.code}/"
    client.force_login(bob)
    assert "Insiders" in client.get(link).content.decode()
    assert client.post(link).url == "/groups/insiders/"
    assert client.get(link).status_code == 404  # used up
    client.force_login(make_user("carol"))
    assert client.post(link).status_code == 404
    assert GroupMember.objects.filter(group=group).count() == 2


def test_a_member_who_follows_a_link_again_uses_nothing_up(group, alice, bob):
    invitation = do_invite(group, by=alice, uses_max=2)
    do_join(invitation, by=bob)
    do_join(invitation, by=bob)
    invitation.refresh_from_db()
    assert invitation.uses == 1


@pytest.mark.parametrize(
    "fields", [{"withdrawn_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(days=1)}]
)
def test_a_withdrawn_or_old_link_is_a_404(client, group, alice, bob, fields):
    invitation = do_invite(group, by=alice)
    GroupInvitation.objects.filter(pk=invitation.pk).update(**fields)
    client.force_login(bob)
    assert client.post(f"/groups/join/{invitation.code}/").status_code == 404


def test_a_group_is_a_404_to_everyone_else(client, group, bob):
    client.force_login(bob)
    assert client.get("/groups/insiders/").status_code == 404
    assert client.post("/groups/insiders/leave/").status_code == 404
    assert "Insiders" not in client.get("/groups/").content.decode()


@pytest.mark.parametrize("action", ["invite", "remove", "make-owner", "withdraw-invitation"])
def test_a_member_may_not_run_the_group(client, group, alice, bob, action):
    invitation = do_invite(group, by=alice)
    do_join(invitation, by=bob)
    client.force_login(bob)
    data = {"days": 7, "uses_max": 1, "handle": "alice", "invitation": invitation.pk}
    assert client.post(f"/groups/insiders/{action}/", data).status_code == 403
    assert GroupMember.objects.filter(group=group).count() == 2
    assert GroupInvitation.objects.filter(withdrawn_at=None).count() == 1


def test_an_owner_removes_members_and_hands_the_group_on(client, group, alice, bob):
    do_join(do_invite(group, by=alice), by=bob)
    client.force_login(alice)
    page = client.post("/groups/insiders/leave/", follow=True).content.decode()
    assert "You are the only owner" in page
    client.post("/groups/insiders/make-owner/", {"handle": "bob"})
    assert client.post("/groups/insiders/leave/").url == "/groups/"
    assert list(GroupMember.objects.values_list("user__handle", "is_owner")) == [("bob", True)]
    assert AuditEvent.objects.filter(action="make_group_owner").exists()


@pytest.mark.parametrize(("days", "uses_max"), [("0", "1"), ("7", "0"), ("x", "1"), ("91", "1")])
def test_a_wrong_invitation_is_refused(client, group, alice, days, uses_max):
    client.force_login(alice)
    client.post("/groups/insiders/invite/", {"days": days, "uses_max": uses_max})
    assert not GroupInvitation.objects.exists()


def test_the_page_costs_the_same_for_many_members(
    client, group, alice, django_assert_max_num_queries
):
    client.force_login(alice)
    people = [make_user() for _ in range(20)]
    GroupMember.objects.bulk_create(GroupMember(group=group, user=user) for user in people)
    with django_assert_max_num_queries(16):
        assert client.get("/groups/insiders/").status_code == 200


def test_a_group_has_a_leaderboard_of_its_members_for_its_members(client, group, alice, bob):
    make_user("carol")
    client.force_login(alice)
    page = client.get("/leaderboard/?group=insiders&by=equity").content.decode()
    assert "Insiders" in page
    assert "alice" in page
    assert "carol" not in page
    client.force_login(bob)
    assert client.get("/leaderboard/?group=insiders").status_code == 404
    client.logout()
    assert client.get("/leaderboard/?group=insiders").status_code == 404
