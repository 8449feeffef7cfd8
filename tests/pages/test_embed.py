"""The embedded frame: on any page, for all viewers, without cookies."""

import pytest

from tests.markets.factories import THREE_OUTCOMES, make_group, make_market, make_user
from tests.trading.world import buy, make_account, open_market, own_shard, run, sell
from tests.trading.world import make_market as make_trading_market

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def test_any_page_may_frame_it_and_no_other_page_of_ours(client):
    make_market(status="open", slug="rain")
    embedded = client.get("/embed/rain/")
    assert "frame-ancestors *;" in f"{embedded.headers['Content-Security-Policy']};"
    assert "X-Frame-Options" not in embedded.headers
    page = client.get("/markets/rain/")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Frame-Options"] == "DENY"


def test_it_needs_and_sets_no_cookie(client):
    make_market(status="open", slug="rain")
    answer = client.get("/embed/rain/")
    assert not answer.cookies
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert answer.headers["Cache-Control"] == "public, max-age=15"


def test_it_shows_only_public_data_to_every_viewer(client):
    member, operator = make_user(), make_user(operator=True)
    group = make_group(member)
    make_market(status="open", slug="secret", visibility="group", group=group)
    make_market(status="draft", slug="draft")
    make_market(status="open", slug="unlisted", visibility="unlisted")
    for user in (member, operator):
        client.force_login(user)
        assert client.get("/embed/secret/").status_code == 404
        assert client.get("/embed/draft/").status_code == 404
        assert client.get("/embed/unlisted/").status_code == 200


def test_it_shows_the_chance_and_links_to_the_market(client, settings):
    settings.SITE_URL = "https://predex.example"
    shard, market = own_shard(), make_trading_market(slug="rain", title="<b>Rain</b>?")
    open_market(shard, market)
    run(shard, sell(market, make_account(), 60, 100), buy(market, make_account(), 60, 100))
    page = client.get("/embed/rain/").content.decode()
    assert '<span data-ticker="YES">60%</span>' in page
    assert 'href="https://predex.example/markets/rain/" target="_blank"' in page
    assert "&lt;b&gt;Rain&lt;/b&gt;?" in page


def test_it_names_four_outcomes_and_says_how_many_there_are_besides(client):
    outcomes = [*THREE_OUTCOMES, ("CYAN", "Cyan"), ("PINK", "Pink")]
    make_market(status="open", slug="colour", kind="categorical", outcomes=outcomes)
    page = client.get("/embed/colour/").content.decode()
    assert page.count("data-ticker=") == 4
    assert "and 1 other outcome<" in page


def test_its_theme_is_the_one_asked_for(client):
    make_market(status="open", slug="rain")
    assert '<html lang="en" data-theme="dark">' in client.get("/embed/rain/?theme=dark").text
    assert '<html lang="en">' in client.get('/embed/rain/?theme="><script>').text


def test_it_takes_the_same_queries_for_three_outcomes_and_fifty(client, django_assert_num_queries):
    fifty = [(f"O{index}", f"Outcome {index}") for index in range(50)]
    make_market(status="open", slug="few", kind="categorical", outcomes=THREE_OUTCOMES)
    make_market(status="open", slug="many", kind="categorical", outcomes=fifty)
    client.get("/embed/few/")  # the policy and the exchange are kept for a second
    for slug in ("few", "many"):
        with django_assert_num_queries(7):
            client.get(f"/embed/{slug}/")
