"""Who is A and who is B: labels that hide the seats, and back again. Knows nothing of prompts.

Labels come from the session's seed alone, so that all mean the same seat by one letter, and a
resumed session shows the same as before. In which order they are shown differs from model to model.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

_ONE_WORD = (
    r"(?:response|r(?:é|e\u0301|e)ponse|answer|opinion|avis|antwort|respuesta|risposta|resposta"
    r"|agent)"
)
_MANY_WORD = (
    r"(?:responses|r(?:é|e\u0301|e)ponses|answers|opinions|avis|antworten|respuestas|risposte"
    r"|respostas|agents)"
)
MENTION_WORD = rf"(?:{_MANY_WORD}|{_ONE_WORD})"
"""What models write before a label, in the languages seen most; matched in any case."""
_MENTION_WORDS = (
    "responses", "réponses", "re\u0301ponses", "reponses", "answers", "opinions", "avis",
    "antworten", "respuestas", "risposta", "risposte", "respostas", "agents",
)  # fmt: skip

_LABEL = r"[A-Z]{1,2}"
_JOIN = r"\s{0,3}(?:[,;/&+]|,?\s{0,3}\b(?:and|et|und|y|e)\b)\s{0,3}"
_WORD = rf"(?:(?i:\b{MENTION_WORD})\s{{1,3}})"
_MENTION = re.compile(
    r"(?P<code>```.*?(?:```|\Z)|`[^`\n]*`)"
    rf"|(?<!\w)[\[【]\s{{0,3}}{_WORD}?{_LABEL}(?:{_JOIN}{_WORD}?{_LABEL})*\s{{0,3}}[\]】](?!\()"
    rf"|(?i:\b{_MANY_WORD})\s{{1,3}}{_LABEL}(?:{_JOIN}{_LABEL})+(?!\w)"
    rf"|{_WORD}{_LABEL}(?!\w)",
    re.DOTALL,
)
_ONE = re.compile(rf"(?<!\w)(?:{_WORD})?({_LABEL})(?!\w)")


def begins_mention(word: str) -> bool:
    """Whether it may become what models write before a label, or is that."""
    folded = word.casefold()
    return any(mention.startswith(folded) for mention in _MENTION_WORDS)


def labels(agent_ids: Sequence[str], seed: int) -> dict[str, str]:
    """agent_id → label. The dict's order (A, B, C, …) is the order of presentation: a permutation
    that depends on `seed` and the ids alone, not on the order they come in."""
    ordered = sorted(set(agent_ids), key=lambda agent_id: (_draw(agent_id, seed), agent_id))
    return {agent_id: _letters(index) for index, agent_id in enumerate(ordered)}


def rotated(order: Sequence[str], row: int) -> tuple[str, ...]:
    """Row `row` of the cyclic Latin square over `order`: in as many rows as there are entries, each
    one stands once in each place."""
    start = row % len(order) if order else 0
    return (*order[start:], *order[:start])


def without_mentions(text: str, known: Collection[str]) -> str:
    """`text` without its citations of these labels: `[A]`, `[A, B]`. Words in a sentence stay."""

    def dropped(match: re.Match[str]) -> str:
        whole = match.group()
        is_citation = match["code"] is None and whole[0] in "[【"
        return "" if is_citation and set(_ONE.findall(whole)) & set(known) else whole

    return re.sub(r" +([.,;:!?])", r"\1", _MENTION.sub(dropped, text))


def _draw(agent_id: str, seed: int) -> bytes:
    return hashlib.sha256(f"council label {seed} {agent_id}".encode()).digest()


def _letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA, as spreadsheets count."""
    text = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        text = chr(ord("A") + digit) + text
    return text


def reveal(text: str, names: Mapping[str, str]) -> str:
    """`text` with labels replaced by the seats' names (label → name).

    `[A]` → `[Expert_Alpha]`, `[A, B]` → `[Expert_Alpha, Expert_Beta]`, `Response A` →
    `Expert_Alpha`. Unknown labels, code, `x[A]` and Markdown links stay as they are.
    """

    def replaced(match: re.Match[str]) -> str:
        whole = match.group()
        if match["code"] is not None:
            return whole
        found = _ONE.findall(whole)
        if not any(label in names for label in found):
            return whole
        return _ONE.sub(lambda one: names.get(one[1], one.group()), whole)

    return _MENTION.sub(replaced, text)


def cited(text: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    """The seats that `text` cites, in order of first mention. `labels`: agent_id → label."""
    seats = {label: agent_id for agent_id, label in labels.items()}
    found = dict.fromkeys(seats[label] for label in _mentioned(text) if label in seats)
    return tuple(found)


def _mentioned(text: str) -> Iterator[str]:
    for match in _MENTION.finditer(text):
        if match["code"] is None:
            yield from _ONE.findall(match.group())
