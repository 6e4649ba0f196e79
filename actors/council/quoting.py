"""Makes text that a model (or a stranger) wrote safe to show to another model. Knows no prompts.

What is quoted in a prompt can try to act: end its block, open a new turn with the chat template's
own tokens (`<|im_start|>`, `[INST]`, `<start_of_turn>`, …), hide words behind zero-width, bidi or
tag characters. Servers read such tokens in any text, so they are taken apart here; lengths stay
the same or shrink, so that a text which fitted still fits.
"""

import hashlib
import re

_CONTROL = re.compile(
    "["
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 and C1 but tab, line feed, carriage return
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, fillers, invisible
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"  # zero width, direction overrides
    "\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # tags and hidden variation selectors
    "]+"
)
_JOINER = re.compile(
    r"(?<![\u0300-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0300-\U0010ffff])"
)
"""Joiners outside scripts that need them (Persian, Indic, emoji): the rest are kept."""
_LINE_END = re.compile(r"\r\n?|[\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_TEMPLATE_WORDS = (
    r"s|bos|eos|pad|unk|mask|sep|cls|think|thinking|thought|tool_call|tool_response|tools"
    r"|start_of_turn|end_of_turn|start_of_image|end_of_text|system|user|assistant|human|model"
)
_TOKEN = re.compile(
    r"<([|｜][^<>\n]{1,60}|/?[^<>\n/|｜]{1,60}[|｜])>"  # <|im_start|>, <｜User｜>, <|turn>, <turn|>
    rf"|<(/?(?:{_TEMPLATE_WORDS}))>"  # <s>, </s>, <start_of_turn>, <think>
    r"|<<(/?SYS)>>"
    r"|\[(/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|THINK))\]",
    re.IGNORECASE,
)


def clean(text: str) -> str:
    """`text` without control and hidden characters; line ends as `\\n`; lone surrogates as `?`."""
    text = _SURROGATE.sub("?", _LINE_END.sub("\n", text))
    return _JOINER.sub("", _CONTROL.sub("", text))


def neutralise(text: str) -> str:
    """`text` without hidden characters and with chat-template tokens taken apart: `<s>` → `(s)`.

    Idempotent; never longer than `text`.
    """
    return _TOKEN.sub(_apart, clean(text))


def _apart(match: re.Match[str]) -> str:
    inner = next(group for group in match.groups() if group is not None)
    return f"({inner})"


def fence_tag(seed: int) -> str:
    """Eight hex digits that an author cannot know while it writes: derived from the session's
    seed, which no prompt of the first stage carries."""
    return hashlib.sha256(f"council fence {seed}".encode()).hexdigest()[:8]


def fenced(name: str, text: str, tag: str) -> str:
    """`text`, neutralised, in a block that it cannot close: `<name-tag>` … `</name-tag>`."""
    inside = neutralise(text).replace(tag, "").strip()
    return f"<{name}-{tag}>\n{inside}\n</{name}-{tag}>"


def unfenced(text: str, tag: str) -> str:
    """`text` without the blocks' own tags, which small models copy into what they write."""
    return re.sub(rf"</?[a-z]{{1,20}}-{tag}>\n?", "", text).strip()
