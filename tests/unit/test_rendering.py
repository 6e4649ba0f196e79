"""A model's Markdown as HTML: nothing in it runs or is fetched by itself; links lead to the web."""

from html.parser import HTMLParser
from itertools import product

import pytest

from serve_app.rendering import LONGEST, TAGS, html_of

EVIL = "https://evil.example/x"
ADDRESSES = [
    *(
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
    ),
    *("javascript&colon;alert(1)", "&#106;avascript:alert(1)", "\x01javascript:alert(1)"),
    *(
        "data:text/html,<script>alert(1)</script>",
        "data:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
    ),
    *(
        "file:///etc/passwd",
        "blob:x",
        "about:blank",
        "//evil.example",
        "/api/council/sessions",
        "?x",
    ),
    *(
        "#/history",
        "mailto:a@b.c",
        "tel:1",
        "view-source:http://x",
        "ftp://evil.example",
        "ws://evil",
    ),
]
HOLDERS = [
    *("[x]({})", "[x](<{}>)", "<{}>", "![x]({})", "[x][1]\n\n[1]: {}", '<a href="{}">x</a>'),
    *(
        '<img src="{}">',
        '<iframe src="{}"></iframe>',
        '<form action="{}"><button>x</button></form>',
    ),
]
TAGS_OF_OTHERS = [
    *("<script>alert(1)</script>", "<ScRiPt>alert(1)</sCrIpT>", f"<script src={EVIL}></script>"),
    *("<img src=x onerror=alert(1)>", f"<img src={EVIL}>", "<img/src/onerror=alert(1)>"),
    *(
        "<svg onload=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<svg><a xlink:href=x>y</a>",
    ),
    *("<math><mtext></mtext></math>", "<iframe srcdoc='<script>alert(1)</script>'></iframe>"),
    *("<style>@import 'https://evil.example/x';</style>", "<p style='background:url(x)'>x</p>"),
    *(
        f"<link rel=stylesheet href={EVIL}>",
        f"<link rel=prefetch href={EVIL}>",
        f"<base href={EVIL}>",
    ),
    *(
        f"<meta http-equiv=refresh content='0;url={EVIL}'>",
        "<meta charset=utf-7>",
        f"<embed src={EVIL}>",
    ),
    *(
        f"<object data={EVIL}></object>",
        f"<video poster={EVIL} src={EVIL}></video>",
        "<dialog open>x",
    ),
    *(
        f"<audio src={EVIL} autoplay>",
        f"<input type=image src={EVIL}>",
        f"<body background={EVIL}>",
    ),
    *(
        "<details open ontoggle=alert(1)>",
        "<a onclick=alert(1)>x</a>",
        "<button autofocus onfocus=a()>",
    ),
    *(
        "<template><script>alert(1)</script></template>",
        "<noscript><p title='</noscript><img src=x>'>",
    ),
    *("<!--><script>alert(1)</script>-->", "<![CDATA[<script>alert(1)</script>]]>", "<?php x ?>"),
    *(
        "<a id=main name=told>x</a>",
        "<div id=lock class=danger>x</div>",
        "<textarea><script>x</script>",
    ),
    *("```html\n<script>alert(1)</script>\n```", "`<img src=x onerror=alert(1)>`", "<plaintext>x"),
    *(
        "# <script>alert(1)</script>",
        "> <svg onload=alert(1)>",
        "| <img src=x> |\n|--|\n| <b>x</b> |",
    ),
    *(
        "- <iframe src=x>",
        "[<img src=x onerror=alert(1)>](https://a.b)",
        "&lt;script&gt;x&lt;/script&gt;",
    ),
    *(
        '[x](https://a.b "\\" onmouseover=alert(1) x=\\"")',
        '[x](https://a.b"onclick=alert(1))',
        "<x",
    ),
    *(
        f"![beacon]({EVIL})",
        f"![beacon][1]\n\n[1]: {EVIL}",
        f"[![x]({EVIL})]({EVIL})",
        "\x00<b\x00>x",
    ),
]
LINKED = [holder.format(address) for holder, address in product(HOLDERS, ADDRESSES)]
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


@pytest.mark.parametrize("payload", [*TAGS_OF_OTHERS, *LINKED])
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
