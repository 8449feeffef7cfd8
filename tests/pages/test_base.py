"""What every page has: the viewer's language, theme and zone, the operator's words and colours."""

import json
import re
import struct

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Policy, User
from kernel.cache import forget_all
from markets.models import Exchange

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def get(client, **headers):
    return client.get("/nothing-here/", headers=headers).content.decode()


def test_the_site_is_named_by_the_policy(client):
    Policy.objects.update(site_name="Augur & Sons", logo_url="/static/icon.svg")
    page = get(client)
    assert "Augur &amp; Sons" in page
    assert '<img class="h-7 w-auto" src="/static/icon.svg"' in page


def test_an_accent_colour_reaches_the_page_under_the_nonce_of_its_policy(client):
    Policy.objects.update(accent_colour="#b91c1c")
    response = client.get("/nothing-here/")
    nonce = re.search(r'<style nonce="([^"]+)">', response.content.decode())[1]
    assert f"'nonce-{nonce}'" in response.headers["Content-Security-Policy"]
    assert "--color-primary:#b91c1c" in response.content.decode()


def test_the_theme_comes_from_the_cookie_and_is_one_of_two(client):
    client.cookies["theme"] = "dark"
    assert '<html lang="en" data-zone="UTC" data-theme="dark" ' in get(client)
    client.cookies["theme"] = '"><script>'
    assert '<html lang="en" data-zone="UTC" data-money=' in get(client)


def test_a_stranger_finds_the_other_language_in_the_header_and_in_no_menu(client):
    client.cookies["django_language"] = "de"
    for code, page in (("de", get(client.__class__())), ("en", get(client))):
        header = page[page.index("<header") : page.index("</header>")]
        in_sight = re.sub(r"<details.*?</details>", "", header, flags=re.DOTALL)
        assert re.findall(r'name="language" value="(\w+)"', in_sight) == [code]
        assert page.count('name="language"') == 1


def test_an_announcement_and_a_halt_are_seen_on_every_page(client):
    Exchange.objects.update(announcement="New <rules> tonight", trading_halted=True)
    page = get(client)
    assert "New &lt;rules&gt; tonight" in page
    assert 'data-bar="halted">' in page
    assert 'data-bar="maintenance" hidden>' in page


def test_without_an_engine_a_bar_says_so(client):
    assert "The matching engine is away" in get(client)


def test_words_for_the_script_can_not_end_their_element(client, monkeypatch):
    from accounts import context

    monkeypatch.setattr(context, "build_words", lambda: {"x": "</script><script>alert(1)"})
    page = get(client)
    words = re.search(r'<script type="application/json" id="words">(.*?)</script>', page)[1]
    assert json.loads(words) == {"x": "</script><script>alert(1)"}


def test_a_logged_in_viewer_sees_their_available_credits(client):
    client.force_login(User.objects.create_user("alice@example.com", "alice", "a-Pass-w0rd"))
    assert re.search(r'data-balance="available">[\d,]+\.\d\d\scr<', get(client))


def test_the_policy_of_pages_allows_no_inline_script(client):
    policy = client.get("/nothing-here/").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_links_to_every_page_show_a_picture(client, settings):
    settings.SITE_URL = "https://predex.example"
    page = get(client)
    assert page.count('<meta property="og:image" ') == 1
    assert '<meta property="og:image" content="https://predex.example/static/preview.png">' in page
    assert '<meta name="twitter:card" content="summary_large_image">' in page
    picture = (settings.BASE_DIR / "static" / "preview.png").read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert f'<meta property="og:image:width" content="{width}">' in page
    assert f'<meta property="og:image:height" content="{height}">' in page
    assert (width, height) == (1200, 630)
    assert len(picture) < 100_000


@pytest.mark.parametrize(("who_may", "is_offered"), [("operators", False), ("everyone", True)])
def test_a_market_is_offered_to_create_to_who_may(client, who_may, is_offered):
    Policy.objects.update(who_may_create=who_may)
    assert "/create/" not in get(client)
    client.force_login(User.objects.create_user("alice@example.com", "alice", "a-Pass-w0rd"))
    assert ('href="/create/"' in get(client)) == is_offered
    assert client.get("/create/").status_code == (200 if is_offered else 403)


def test_an_operator_is_offered_to_create_whatever_the_policy(client):
    user = User.objects.create_user("olga@example.com", "olga", "a-Pass-w0rd", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="manage_markets"))
    client.force_login(user)
    assert 'href="/create/"' in get(client)


def test_whether_one_may_create_costs_a_trader_no_query(client, django_assert_max_num_queries):
    client.force_login(User.objects.create_user("alice@example.com", "alice", "a-Pass-w0rd"))
    Policy.objects.update(who_may_create="everyone")
    get(client)
    with django_assert_max_num_queries(20) as offered:
        get(client)
        count = len(offered)
    Policy.objects.update(who_may_create="operators")
    forget_all()
    get(client)  # what is kept for a second is read again here
    with django_assert_max_num_queries(count):
        assert 'href="/create/"' not in get(client)
