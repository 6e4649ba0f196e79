"""Makes text that a model (or a stranger) wrote safe to show to another model. Knows no prompts.

What is quoted in a prompt can try to act: end its block or forge another, open a new turn with the
chat template's own tokens (`<|im_start|>`, `[INST]`, `<start_of_turn>`, …), hide words behind
zero-width, bidi, variation or tag characters. Servers read such tokens in any text, so they are
taken apart here; lengths stay the same or shrink, so that a text which fitted still fits.
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
_SELECTOR = re.compile(
    r"(?<![0-9#*\u00a0-\u200b\u200e-\U0010ffff])[\ufe00-\ufe0f]+"
    r"|(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]+"
)
"""Variation selectors but the one after a sign that may have it: rows of them spell hidden text."""
_JOINER_RUN = re.compile(r"(?<=[\u200c\u200d])[\u200c\u200d]+")
_JOINER = re.compile(
    r"(?<![\u0300-\U0010ffff])[\u200c\u200d]|[\u200c\u200d](?![\u0300-\U0010ffff])"
)
"""Joiners outside scripts that need them (Persian, Indic, emoji); of a run the first is kept."""
_LINE_END = re.compile(r"\r\n?|[\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_ANGLED = (  # <s>, </s>, <start_of_turn>, <think>, <extra_id_0>, <unused9>, …: no HTML element
    r"s|bos|eos|pad|unk|mask|sep|cls|sop|eop|eoh|eoa|eod|think|thinking|thought"
    r"|tools?|tool_calls?|tool_response|function_calls?|start_of_turn|end_of_turn"
    r"|(?:start|end)_of_(?:image|audio|text)|fim_(?:prefix|middle|suffix|pad)|file_sep|repo_name"
    r"|seed:[a-z_]+|(?:extra_id|reserved|reserved_token|special|unused)_?[0-9]{1,5}"
    r"|system|user|assistant|human|model"
)
_BRACKETED = (  # [INST], [/INST], [gMASK], [|user|], …; in capitals only what code has in small
    r"/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|MODEL_SETTINGS|TOOL_CALLS|TOOL_RESULTS"
    r"|TOOL_CONTENT|THINK)|(?-i:/?(?:ARGS|CALL_ID|IMG|PREFIX|MIDDLE|SUFFIX|[gs]MASK))"
    r"|\|(?:system|user|assistant|tool|endofturn|end)\|"
)
_FENCE = r"[ ]{0,3}/?[ ]{0,3}(?:question|response|review)[^<>()\n]{0,60}"
_TOKEN = re.compile(
    r"<([|｜][^<>()\n]{1,60}|/?[^<>()\n/|｜]{1,60}[|｜])>"  # <|im_start|>, <｜User｜>, <turn|>
    rf"|<(/?(?:{_ANGLED}))>"
    rf"|<({_FENCE})>"  # what looks like one of our own blocks' tags
    r"|<<(/?SYS)>>"
    rf"|\[({_BRACKETED})\]"
    r"|[\[\]](~!?b|e~)[\[\]]"  # ]~b], ]~!b[, [e~[
    r"|^\#{2,4}[ ]?((?:instruction|input|response|system|user|assistant|human)[ ]?:)",
    re.IGNORECASE | re.MULTILINE,
)
"""No token has round brackets in it, so what was taken apart is none, however it is nested."""


def clean(text: str) -> str:
    """`text` without control and hidden characters; line ends as `\\n`; lone surrogates as `?`."""
    text = _SURROGATE.sub("?", _LINE_END.sub("\n", text))
    text = _SELECTOR.sub("", _CONTROL.sub("", text))
    return _JOINER.sub("", _JOINER_RUN.sub("", text))


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
    seed, which no prompt of the first stage carries. The same all session long, so that all later
    prompts begin alike (prefix cache)."""
    return hashlib.sha256(f"council fence {seed}".encode()).hexdigest()[:8]


def fenced(name: str, text: str, tag: str) -> str:
    """`text`, neutralised, in a block that it cannot close: `<name-tag>` … `</name-tag>`."""
    inside = re.sub(tag, "-", neutralise(text), flags=re.IGNORECASE).strip()
    return f"<{name}-{tag}>\n{inside}\n</{name}-{tag}>"


def unfenced(text: str, tag: str) -> str:
    """`text` without the blocks' own tags, and without the space around it."""
    return untagged(text, tag).strip()


def untagged(text: str, tag: str) -> str:
    """`text` without the blocks' own tags, which small models copy into what they write."""
    return re.sub(rf"</?[a-z]{{1,20}}-{tag}>\n?", "", text)
