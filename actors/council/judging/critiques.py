"""A reviewer's own words, by the response that they are about."""

import re
from collections.abc import Collection, Mapping, Sequence

from actors.council.asking.anonymity import MENTION_WORD
from actors.council.asking.quoting import clean
from actors.messages.judgement import Vote

LOOKED_AT = 32 * 1024
KEPT = 2_000
"""Characters of a critique that go with its vote."""
_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_HEADING = re.compile(
    rf"^[^\w\n]{{0,8}}(?i:{MENTION_WORD})[ \t]{{1,3}}(?P<named>[A-Z]{{1,2}})(?!\w)[^\w\n]{{0,8}}"
    r"|^[^\w\n]{0,8}(?P<bare>[A-Z]{1,2})[*_ ]{0,3}[:.)][*_ ]{0,3}",
    re.MULTILINE,
)


def by_label(text: str, labels: Collection[str]) -> dict[str, str]:
    """label → what is written under its name. Where only one may be judged and none is named, the
    whole text is about that one."""
    written = clean(_THINKING.sub("", text[-LOOKED_AT:])).strip()
    found = [
        (heading["named"] or heading["bare"], heading)
        for heading in _HEADING.finditer(written)
        if (heading["named"] or heading["bare"]) in labels
    ]
    parts: dict[str, str] = {}
    for number, (label, heading) in enumerate(found):
        end = found[number + 1][1].start() if number + 1 < len(found) else len(written)
        part = written[heading.end() : end].strip()
        parts[label] = f"{parts[label]}\n{part}" if label in parts else part
    if not parts and len(labels) == 1 and written:
        return {label: written[:KEPT] for label in labels}
    return {label: part[:KEPT] for label, part in parts.items() if part}


def reasoned(votes: Sequence[Vote], critique: str, votable: Mapping[str, str]) -> tuple[Vote, ...]:
    """The votes with their reasons out of the critique, where the ballot gives none. `votable`:
    label → agent_id."""
    parts = by_label(critique, votable)
    reasons = {agent_id: parts[label] for label, agent_id in votable.items() if label in parts}
    return tuple(
        vote
        if vote.reasoning or vote.agent_id not in reasons
        else vote.model_copy(update={"reasoning": reasons[vote.agent_id]})
        for vote in votes
    )
