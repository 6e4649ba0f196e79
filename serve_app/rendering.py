"""A model's Markdown as HTML that a page can show: no script, no form, no picture, nothing that is
fetched by itself. Knows nothing of sessions or HTTP.

Three walls: markdown-it takes tags for text and makes a link of an image; nh3 keeps what its allow
list names; the page (`web/markdown.js`) rebuilds what comes, element by element.
"""

import re
from functools import cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

LONGEST = 200_000
"""Characters. Beyond that a text is shown as it is."""
TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
HIGHEST = 4
"""The level of a text's first heading: those above it are the page's own."""
_WEB = re.compile(r"https?://[^\s]+", re.ASCII | re.IGNORECASE)


def html_of(markdown: str) -> str:
    """Links lead to http and https only, into a tab of their own, and tell nobody where from."""
    if len(markdown) > LONGEST:
        return f"<pre>{escape(markdown)}</pre>"
    return nh3.clean(
        _renderer().render(markdown),
        tags=TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https"},
        attribute_filter=_kept,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


@cache
def _renderer() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False})
    reader.enable(["table", "strikethrough"]).disable("image")
    reader.core.ruler.push("lower_headings", lambda state: _lower(state.tokens))
    return reader


def _lower(tokens: list[Token]) -> None:
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + HIGHEST - 1)}"


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """A link into this very service would be asked for in the reader's name. Titles, which nh3
    lets pass on every tag, may say another address than the link's. `rel` and `target` are ours."""
    if attribute == "href":
        return value if _WEB.fullmatch(value) else None
    return value if attribute in ("start", "rel", "target") else None
