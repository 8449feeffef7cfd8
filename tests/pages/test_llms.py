"""`/llms.txt` and the Markdown copies: they say what the pages and documents say."""

import html
import json
import re

import pytest

from predex.api_pages import get_schema
from predex.llms import DOCUMENTS
from tests.exchange import ROOT
from web.markdown import convert

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]
SITE = "http://testserver"


@pytest.fixture(autouse=True)
def _site(settings):
    settings.SITE_URL = SITE


def get_text(client, path, **options):
    answer = client.get(path, **options)
    assert answer.status_code == 200, path
    return answer.content.decode()


def get_words(text):
    return re.findall(r"[^\W_]+", text)


def test_every_link_of_llms_txt_leads_somewhere(client):
    answer = client.get("/llms.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    text = answer.content.decode()
    assert text.startswith("# predex\n\n> A prediction-market exchange")
    addresses = re.findall(r"^- \[[^]]+\]\((\S+)\): \S", text, re.MULTILINE)
    assert len(addresses) == len(DOCUMENTS) + 7
    for address in addresses:
        path = address.removeprefix(SITE)
        # `/mcp` is served beside Django (tests/compat/test_mcp.py).
        assert path == "/mcp" or client.get(path).status_code == 200, address


def test_documents_are_served_as_they_are_with_links_that_lead_somewhere(client):
    for name, path in DOCUMENTS.items():
        text = get_text(client, f"/docs/{name}.md")
        assert text.splitlines()[0] == path.read_text().splitlines()[0]
        for link in re.findall(r"\]\(([^)#]+\.md)(?:#[\w-]*)?\)", text):
            assert client.get(f"/docs/{link}").status_code == 200, (name, link)
    assert client.get("/docs/operators.md").status_code == 404
    assert client.get("/docs/../README.md").status_code == 404


@pytest.mark.parametrize("path", ["/help", "/help/api"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_markdown_of_a_help_page_has_its_words(client, path, language):
    client.cookies["django_language"] = language
    page, text = get_text(client, f"{path}/"), get_text(client, f"{path}.md")
    main = re.search(r"<main.*?</main>", page, re.DOTALL)[0]
    for tag in ("nav", "button", "svg", "caption"):
        main = re.sub(rf"<{tag}\b.*?</{tag}>", "", main, flags=re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]+>", " ", main))
    plain = re.sub(r"\]\(\S+\)", " ", text)
    plain = re.sub(r"(?m)^(\d+\.|#+|\|[ |-]+\|$)", " ", plain)
    assert get_words(plain) == get_words(shown)
    assert f'<link rel="alternate" type="text/markdown" href="{path}.md">' in page


def test_markdown_has_headings_lists_tables_definitions_links_and_examples(client):
    text = get_text(client, "/help.md")
    assert text.startswith("# How it works\n\nYou buy a contract that pays")
    assert "\n\n## Contracts and prices\n\n" in text
    assert (
        "\n| You buy | You pay | If it rains | If it does not |\n| --- | --- | --- | --- |\n| 10"
        in text
    )
    assert "\n\n1. Trading ends at the time on the market's page." in text
    assert "\n- **Open interest**: Contracts outstanding." in text
    text = get_text(client, "/help/api.md")
    assert f"[API keys]({SITE}/account/keys/)" in text
    assert f"```\n{(ROOT / 'bots' / 'example.py').read_text().splitlines()[0][:10]}" in text


def test_markdown_is_made_of_the_main_part_alone():
    page = (
        "<p>a</p><main><h2>b</h2><ul><li><p>c <code>d</code></p></li></ul><pre>e\n f</pre></main>g"
    )
    assert convert(page, SITE) == "## b\n\n- c `d`\n\n```\ne\n f\n```\n"


def test_the_reference_has_every_call_and_every_object(client):
    text, schema = get_text(client, "/api/docs.md"), json.loads(get_schema().as_json)
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            section = text.split(f"\n## {method.upper()} {path}\n")[1].split("\n## ")[0]
            for parameter in operation.get("parameters", ()):
                assert f"`{parameter['name']}`" in section
    for name, component in schema["components"]["schemas"].items():
        for field in component.get("properties", ()):
            assert f"- `{field}`" in text.split(f"\n## {name}\n")[1].split("\n## ")[0]
