"""Which opinion agrees most with the others, by their words alone. Knows no reviews and no models.

The medoid of the opinions: the one of least expected loss if each of the others may be the right
one (minimum Bayes risk, Kumar & Byrne 2004). Likeness is the F1 of the words and pairs of
neighbours that two texts have; a term weighs the less the more of the opinions have it, so that
what every text has ("the", "de") says least. A term is there or not, however often: who repeats
everything gains nothing by it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from math import fsum, log

LOOKED_AT = 16 * 1024
"""Characters of each opinion."""
CUT_OFF = 0.9
"""What an opinion that ends in mid-sentence keeps of its likeness."""

_ACCENTS = re.compile("[\u0300-\u036f]+")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_TERM = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>[^\W_{_UNSPACED}]+)")
"""A word; or a run of Thai, Lao, Burmese, Khmer, Japanese or Chinese, which set no spaces."""
_SAYS_NOTHING = re.compile(
    r"\W*(?:(?:i'?m |i am |je suis )?(?:sorry|desole|afraid)\b|as an ai\b"
    r"|i (?:really )?(?:do not|don't) (?:know|have (?:an? |any |enough |the )?(?:answer|info))"
    r"|i (?:cannot|can't|can not|won't)\b|i(?:'| a)m (?:unable|not sure|not able)\b"
    r"|je ne (?:sais|peux|suis) pas\b|je n'ai pas\b|ich weiss\b.{0,20}\bnicht\b|no (?:lo )?se\b"
    r"|我不知道|(?:很)?抱歉|对不起)"
)
_SHORT = 400
"""A longer text that begins with an apology mostly goes on to answer."""
_MID_SENTENCE = re.compile(r"[^\W_][,;(]?\Z")
_LINE_OF_ITS_OWN = re.compile(r"\s*(?:[-*+•#>|]|\d+[.)])")
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|\Z)")

Terms = frozenset[str]
"""Words, and neighbours with a space between."""


def consensus(opinions: Mapping[str, str]) -> Mapping[str, float]:
    """agent_id → how like it is to the others on average, 0 to 1, in the order of the ids.

    An opinion that says nothing (no word, or only that it does not know) gets 0 and is not held
    against the others, unless all are like that. Alone, or alone in saying something: 1."""
    texts = {agent_id: opinions[agent_id] for agent_id in sorted(opinions)}
    terms = {agent_id: _terms(text) for agent_id, text in texts.items()}
    saying = [agent_id for agent_id, text in texts.items() if not _says_nothing(text)]
    means = _mean_likeness({agent_id: terms[agent_id] for agent_id in saying or texts})
    return {
        agent_id: means.get(agent_id, 0.0) * (CUT_OFF if _cut_off(text) else 1.0)
        for agent_id, text in texts.items()
    }


def likeness(one: str, other: str) -> float:
    """0 (no word in common) to 1 (the same words and pairs of words), either way round. Case and
    accents make no difference. Every term weighs the same: two texts tell no common words."""
    mine, theirs = _terms(one), _terms(other)
    return _f1(len(mine & theirs), len(mine) + len(theirs))


def _mean_likeness(heard: Mapping[str, Terms]) -> Mapping[str, float]:
    weights = _weights(list(heard.values()))
    bits = {one: 1 << n for n, one in enumerate(heard)}
    sizes = {one: _weigh(weights, bit) for one, bit in bits.items()}
    likes: dict[str, list[float]] = {one: [] for one in heard}
    for one, other in combinations(heard, 2):
        both = _weigh(weights, bits[one] | bits[other])
        like = _f1(both, sizes[one] + sizes[other])
        likes[one].append(like)
        likes[other].append(like)
    return {one: fsum(each) / len(each) if each else 1.0 for one, each in likes.items()}


def _weights(heard: Sequence[Terms]) -> Mapping[int, float]:
    """Holders → the weight of all terms that they and no others have; holders as bits, the first
    opinion's the lowest. A term weighs its inverse document frequency, smoothed: what all have
    weighs something too."""
    holders: dict[str, int] = {}
    for n, terms in enumerate(heard):
        for term in terms:
            holders[term] = holders.get(term, 0) | 1 << n
    return {
        having: count * log(1 + len(heard) / having.bit_count())
        for having, count in Counter(holders.values()).items()
    }


def _weigh(weights: Mapping[int, float], asked: int) -> float:
    """The weight of the terms that all who are asked have. By `fsum`, since a set's order changes
    from run to run and must not show in the result."""
    return fsum(weight for having, weight in weights.items() if having & asked == asked)


def _f1(both: float, sizes: float) -> float:
    return 2 * both / sizes if sizes else 0.0


def _terms(text: str) -> Terms:
    """Words and pairs of neighbours in a line; where no spaces are set, characters and pairs."""
    found: set[str] = set()
    for line in _folded(text[:LOOKED_AT]).splitlines():
        words: list[str] = []
        for unspaced, word in _TERM.findall(line):
            words.extend(unspaced or (word,))
        found.update(words, map(" ".join, pairwise(words)))
    return frozenset(found)


def _folded(text: str) -> str:
    folded = text.casefold()
    if folded.isascii():
        return folded
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", folded)).replace("’", "'")


def _says_nothing(text: str) -> bool:
    start = text[:LOOKED_AT]
    if not _TERM.search(start):
        return True
    return len(text.strip()) <= _SHORT and _SAYS_NOTHING.match(_folded(start)) is not None


def _cut_off(text: str) -> bool:
    """Whether it seems to end in mid-sentence, though it knows how to end one (`42` does not).
    A last line that is an item of a list, a heading or a row is complete as far as one can tell."""
    end = text[-LOOKED_AT:].rstrip()
    last_line = end[end.rfind("\n") + 1 :]
    return (
        _MID_SENTENCE.search(end[-2:]) is not None
        and _LINE_OF_ITS_OWN.match(last_line) is None
        and _SENTENCE_END.search(end) is not None
    )
