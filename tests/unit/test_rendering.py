"""A model's Markdown as HTML: nothing in it runs or is fetched by itself; links lead to the web."""

from html.parser import HTMLParser

import pytest

from serve_app.rendering import LONGEST, TAGS, html_of
from tests.payloads import EVIL, PAYLOADS

ATTRIBUTES = {"href", "rel", "target", "start"}


class Shown(HTMLParser):
    """What a browser would be given."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_row_42_whatever_a_model_writes_is_inert(payload: str) -> None:
    shown = Shown(html_of(payload))
    for tag, attributes in shown.tags:
        assert tag in TAGS
        assert attributes.keys() <= ATTRIBUTES
        assert (attributes.get("href") or "https://").startswith(("http://", "https://"))
        if tag == "a":
            assert attributes["rel"] == "noopener noreferrer nofollow"
            assert attributes["target"] == "_blank"


def test_tags_are_shown_as_they_were_written() -> None:
    shown = Shown(html_of("Use `<b>` or <script>alert(1)</script>."))
    assert shown.text.strip() == "Use <b> or <script>alert(1)</script>."


def test_what_markdown_is_for_comes_through() -> None:
    text = (
        "# Why\n\nIt is **blue**, *really*, ~~not~~ `so`.\n\n3. three\n4. four\n\n- a\n\n> said\n\n"
        "```python\nprint(1)\n```\n\n| a | b |\n|--|--:|\n| 1 | 2 |\n\n[more](https://example.org/?a=1&b=2)"
    )
    shown = Shown(html_of(text))
    tags = [tag for tag, _ in shown.tags]
    for tag in (
        "h4",
        "strong",
        "em",
        "s",
        "code",
        "ol",
        "ul",
        "li",
        "blockquote",
        "pre",
        "table",
        "td",
    ):
        assert tag in tags
    assert dict(shown.tags)["ol"] == {"start": "3"}
    assert dict(shown.tags)["a"]["href"] == "https://example.org/?a=1&b=2"
    assert not {"h1", "h2", "h3"} & set(tags), "those are the page's own"


def test_an_image_is_a_link_that_nobody_follows_by_itself() -> None:
    shown = Shown(html_of(f"![a cat]({EVIL})"))
    assert [tag for tag, _ in shown.tags] == ["p", "a"]
    assert dict(shown.tags)["a"]["href"] == EVIL and "a cat" in shown.text


@pytest.mark.parametrize("size", [LONGEST, LONGEST + 1])
def test_a_text_without_end_is_shown_as_it_is(size: int) -> None:
    shown = Shown(html_of("<b>" + "x" * (size - 3)))
    assert "<b>" in shown.text and {tag for tag, _ in shown.tags} <= {"p", "pre"}


@pytest.mark.parametrize("piece", [">", "- ", "[", "**a", "`", "(", "<", "| a ", "1. "])
def test_deep_nesting_ends(piece: str) -> None:
    assert html_of(piece * 3_000 + "x")
