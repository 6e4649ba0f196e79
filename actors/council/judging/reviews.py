"""Model text → ballot: what is valid counts, the rest is dropped with a reason. Never raises.

1. Only the last 32 KB are looked at, or less where there are more marks of JSON in them than any
   ballot has, and in linear time (`lenient_json`): some milliseconds, whatever was written.
2. Thinking (`<think>` … `</think>`) and echoes of the prompt's own blocks do not count.
3. The last complete ballot with a valid vote counts: `{"rankings": […]}`; failing that, the last
   bare array of votes; failing that, votes that stand alone (an answer cut off in mid-ballot).
4. A vote needs a label that may be judged and a whole score from 1 to 10. A label judged twice
   with different scores is dropped: nobody can say which was meant.
5. No vote left = abstention. A score is never made up.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from actors.council.asking.anonymity import MENTION_WORD
from actors.council.asking.quoting import clean
from actors.council.judging.lenient_json import Found, Value, find_all
from actors.council.judging.rejections import in_english
from actors.messages.judgement import Rejection, Vote

LOOKED_AT = 32 * 1024
MOST_MARKS = 1_500
"""Of JSON. A vote has some twenty, and a ballot at most as many votes as a council has seats."""
_MARKS = b"{}[]:,\"'<\\"
_WIDE_MARKS = "“‘"
REASONING_KEPT = 2_000
REASONS_KEPT = 20

_THINK = ("think", "thinking", "thought", "reasoning")
_THINK_TAGS = tuple(f"{name}>".encode() for name in _THINK)
_QUOTE_TAGS = (b"question-", b"response-")
_TAG = re.compile(
    rf"<(?P<end>/?)(?:(?P<think>{'|'.join(_THINK)})|(?:question|response)-[0-9a-f]{{8}})>", re.I
)
_BALLOT_KEYS = ("rankings", "ranking", "votes")
_LABEL_KEYS = ("agent_id", "agentid", "agent", "id", "label", "response")
_SCORE_KEYS = ("score", "rating", "note")
_REASONING_KEYS = ("reasoning", "reason", "explanation", "comment")
_PLAIN_KEYS = frozenset((*_BALLOT_KEYS, *_LABEL_KEYS, *_SCORE_KEYS, *_REASONING_KEYS))
_PLACEHOLDER = re.compile(r"<[^<>]*>")
_LABEL = re.compile(rf"[\W_]*(?:{MENTION_WORD}[\W_]*)?(?P<label>[A-Z]{{1,2}})[\W_]*", re.I)
_SCORE = re.compile(
    r"(?P<sign>-?)\s*(?P<whole>\d{1,9})(?:[.,](?P<part>\d{1,9}))?"
    r"(?:\s*(?:/|out of|sur|von|de|su)\s*(?P<scale>\d{1,9})(?:[.,]0{1,9})?)?",
    re.I,
)

Entries = Sequence[Value]


@dataclass(frozen=True)
class Ballot:
    """Votes that count, in the ballot's order, and why others do not. No votes = abstention."""

    votes: tuple[Vote, ...]
    rejections: tuple[Rejection, ...]

    @property
    def rejected(self) -> tuple[str, ...]:
        """The rejections in English."""
        return tuple(map(in_english, self.rejections))


@dataclass(frozen=True)
class _Judged:
    label: str
    score: int
    reasoning: str


def read_ballot(text: str, votable: Mapping[str, str], own_label: str | None = None) -> Ballot:
    """The ballot in a reviewer's text. `votable`: label → agent_id of those it may judge."""
    written = text.rstrip()
    if not written:
        return Ballot((), (Rejection(code="empty"),))
    first: Ballot | None = None
    for entries in _candidates(_visible(written)):
        ballot = _count(entries, votable, own_label)
        if ballot.votes:
            return ballot
        first = first or ballot
    return first or Ballot((), (Rejection(code="no_ballot"),))


def _visible(text: str) -> list[Found]:
    """What was found in the last part of `text` outside thinking and quoted blocks."""
    tail = _tail(text)
    head = text[: len(text) - len(tail)].encode("ascii", "replace").lower()
    hidden = _hidden(tail, _inside(head, _THINK_TAGS), _inside(head, _QUOTE_TAGS))
    starts = [start for start, _ in hidden]

    def seen(found: Found) -> bool:
        index = bisect_right(starts, found.start) - 1
        return index < 0 or found.end > hidden[index][1]

    return [found for found in find_all(tail) if seen(found)]


def _tail(text: str) -> str:
    """As much of the end of `text` as is looked at."""
    tail = text[-LOOKED_AT:]
    while _marks(tail) > MOST_MARKS:
        tail = tail[len(tail) // 8 + 1 :]
    return tail


def _marks(text: str) -> int:
    plain = text.encode("ascii", "ignore")
    wide = 0 if len(plain) == len(text) else sum(map(text.count, _WIDE_MARKS))
    return len(plain) - len(plain.translate(None, _MARKS)) + wide


def _inside(head: bytes, tags: Sequence[bytes]) -> bool:
    """Whether `head` ends in the middle of what one of these tags (without `<`) has opened."""
    opened = max(head.rfind(b"<" + tag) for tag in tags)
    return opened > max(head.rfind(b"</" + tag) for tag in tags)


def _hidden(text: str, thinking: bool, quoted: bool) -> list[tuple[int, int]]:
    """Spans of thinking and of quoted blocks, disjoint, in order. Either may have begun before the
    text does. Thinking may also have begun without a tag (some templates open it), and may never
    end; a quoted block has both tags."""
    spans: list[tuple[int, int]] = []
    start: int | None = 0 if thinking or quoted else None
    for tag in _TAG.finditer(text):
        if not tag["end"]:
            if start is None:
                start, thinking = tag.start(), tag["think"] is not None
        elif start is not None:
            spans.append((start, tag.end()))
            start = None
        elif tag["think"]:
            spans = [(0, tag.end())]
    if start is not None and thinking:
        spans.append((start, len(text)))
    return spans


def _candidates(found: Sequence[Found]) -> Iterator[Entries]:
    """What may be the ballot, the likeliest first."""
    values = [one.value for one in reversed(found)]
    wrapped = [_rankings(value) for value in values if isinstance(value, dict)]
    bare = [value for value in values if isinstance(value, list)]
    alone = [value for value in reversed(values) if _is_vote(value)]
    for entries in (*wrapped, *bare, alone):
        if any(_is_vote(entry) for entry in entries) and not all(map(_is_echo, entries)):
            yield entries


def _rankings(value: dict[str, Value]) -> Entries:
    inside = _field(value, _BALLOT_KEYS)
    return inside if isinstance(inside, list) else [inside]


def _is_vote(value: Value) -> bool:
    return isinstance(value, dict) and any(
        _field(value, keys) is not None for keys in (_LABEL_KEYS, _SCORE_KEYS)
    )


def _is_echo(value: Value) -> bool:
    """The prompt's own example, `{"agent_id": "<id>", "score": <1-10>}`."""
    return isinstance(value, dict) and any(
        isinstance(inside, str) and _PLACEHOLDER.fullmatch(inside) is not None
        for inside in (_field(value, _LABEL_KEYS), _field(value, _SCORE_KEYS))
    )


def _field(entry: dict[str, Value], names: Sequence[str]) -> Value:
    """The first of `names` that the entry has, whatever the case and padding of its keys."""
    keys = entry
    if not _PLAIN_KEYS.issuperset(entry):
        keys = {key.strip().casefold().replace(" ", "_"): value for key, value in entry.items()}
    return next((keys[name] for name in names if name in keys), None)


def _count(entries: Entries, votable: Mapping[str, str], own_label: str | None) -> Ballot:
    judged: dict[str, list[_Judged]] = {}
    known = {*votable, own_label or ""}
    rejected: list[Rejection] = []
    for entry in entries:
        read = _judge(entry, known, own_label)
        if isinstance(read, _Judged):
            judged.setdefault(read.label, []).append(read)
        else:
            rejected.append(read)
    votes = []
    for label, readings in judged.items():
        if len({reading.score for reading in readings}) == 1:
            vote = readings[0]
            votes.append(Vote(agent_id=votable[label], score=vote.score, reasoning=vote.reasoning))
        else:
            scores = ", ".join(str(reading.score) for reading in readings[:REASONS_KEPT])
            rejected.append(Rejection(code="contradiction", values=(label, scores)))
    return Ballot(tuple(votes), _capped(rejected))


def _capped(reasons: Sequence[Rejection]) -> tuple[Rejection, ...]:
    kept = tuple(reasons[:REASONS_KEPT])
    more = len(reasons) - len(kept)
    return (*kept, Rejection(code="more", values=(str(more),))) if more else kept


def _judge(entry: Value, known: set[str], own_label: str | None) -> _Judged | Rejection:
    """One line of the ballot, or why it does not count."""
    if not isinstance(entry, dict):
        return Rejection(code="no_object")
    named = _field(entry, _LABEL_KEYS)
    if not isinstance(named, str) or not named:
        return Rejection(code="no_response")
    label = _label(named, known)
    if label is None:
        return Rejection(code="unknown_response", values=(_shown(named),))
    if label == own_label:
        return Rejection(code="own_response", values=(label,))
    score = _score(_field(entry, _SCORE_KEYS), label)
    if isinstance(score, Rejection):
        return score
    reasoning = _text(_field(entry, _REASONING_KEYS))
    copied = _PLACEHOLDER.fullmatch(reasoning) is not None
    return _Judged(label, score, "" if copied else reasoning[:REASONING_KEPT])


def _label(named: str, known: set[str]) -> str | None:
    """The label meant by `A`, `a`, `[A]`, `Response A`, `Réponse A`, …"""
    upper = named.strip().upper()
    if upper in known:
        return upper
    meant = _LABEL.fullmatch(named[:80])
    label = meant["label"].upper() if meant else None
    return label if label in known else None


def _score(value: Value, label: str) -> int | Rejection:
    """A whole number from 1 to 10 (`8`, `"8"`, `8.0`, `"8/10"`), or why it is none."""
    if value is None:
        return Rejection(code="no_score", values=(label,))
    if not isinstance(value, str):
        return Rejection(code="nested_score", values=(label,))
    said = (label, _shown(value))
    if not (read := _SCORE.fullmatch(value.strip(" *\t\n"))):
        return Rejection(code="no_number", values=said)
    if read["scale"] not in (None, "10"):
        return Rejection(code="other_scale", values=said)
    if (read["part"] or "").strip("0"):
        return Rejection(code="no_whole_number", values=said)
    score = -int(read["whole"]) if read["sign"] else int(read["whole"])
    if 1 <= score <= 10:
        return score
    return Rejection(code="out_of_range", values=(label, str(score)))


def _shown(value: str) -> str:
    """A model's own words in a reason: one short line."""
    words = " ".join(_text(value).split())
    return f"“{words[:40]}…”" if len(words) > 40 else f"“{words}”"


def _text(value: Value) -> str:
    return clean(value).strip() if isinstance(value, str) else ""
