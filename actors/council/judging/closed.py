"""Closed questions: what they ask for, and which answer most opinions give.
The vote of self-consistency (Wang et al. 2022, arXiv 2203.11171). Knows no models and no reviews.

A question is closed if one number, one of the options that it lists, or yes or no answers it.
In doubt it is open: an open one taken for closed loses its answers to a word.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from actors.council.judging.plain_text import LOOKED_AT, SENTENCES, SHORT, options_of, plain
from actors.council.judging.stated_answers import TRUE_FALSE, Kind, extract

AT_LEAST = 2
"""Opinions that must give an answer before it can win."""

_TASK = re.compile(
    r"(?:^|[.!?:;,\n]\s*|\b(?:and|then|please|also|you|to|et|puis|und)\s+)"
    r"(?:explain|describe|write|list|discuss|compare|justify|summari[sz]e|translate|tell|give|name"
    r"|elaborate|rank|order|sort|show me|suggest|propose|create|design|implement|prove"
    r"|analy[sz]e|expli\w+|decri\w+"
    r"|ecri\w+|redige\w*|liste[rz]?|compare[rz]?|justifi\w+|resume[rz]?|tradui\w+|donne[rz]?"
    r"|cite[rz]?|detaille[rz]?|prouve[rz]?|erklar\w+|begrund\w+|schreib\w*|explica|escribe)\b"
    r"(?! (?:me |moi )?(?:only|just|your (?:final )?answer|the (?:final )?(?:answer|number|result)"
    r"|uniquement|seulement|juste|la reponse|le nombre|le resultat)\b)"
)
_OPEN = re.compile(
    r"\b(?:why|how(?! (?:many|much|old|long|far|tall|fast|high|heavy|deep)\b)|pourquoi|comment"
    r"|warum|wieso|por que|if so|if not|si oui|si non|should|do (?:i|we|you)|dois-je"
    r"|devrai\w*|faut-il|coute\w*"
    r"|(?:pros|advantages|differences?|inconvenients|avantages) (?:and|between|of|et|entre)"
    r"|think about|penses?[- ]tu|pensez-vous|(?:and|et|und) (?:who|where|which|when|what|qui|quels?"
    r"|quelles?|quand|wer|was|wo))\b"
)
_HOW_MANY = re.compile(
    r"\bhow (?:many|old)\b|\bcombien\b|\bwie ?viele?\b|\bcuant[oa]s?\b"
    r"|\b(?:what|which) (?:year|age|percentage|percent|number)\b"
    r"|\b(?:quelle annee|quel age|quel pourcentage|quel nombre|welchem jahr|que ano)\b"
    r"|\b(?:what is|what's|find|quel(?:le)? est) (?:the |le |la |l')(?:[a-z]+ ){0,2}?"
    r"(?:number of|nombre d)"
)
_OF_NUMBERS = re.compile(
    r"\bhow (?:much|long|far|tall|fast|high|heavy|deep)\b"
    r"|\b(?:what is|what's|find|calculate|compute|quel(?:le)? est|calcule[rz]?|determine[rz]?)"
    r" (?:the |le |la |l')(?:[a-z]+ ){0,2}?(?:sum|product|average|mean|remainder|probability|area"
    r"|perimeter|volume|root|value|integer|total|somme|produit|moyenne|reste|aire|valeur|racine"
    r"|probabilite|resultat)\b"
)
_SUM = re.compile(
    r"(?:(?:what is|what's|what does|calculate|compute|evaluate|how much is|calcule[rz]?|que vaut"
    r"|que font|combien font?|quel est le resultat de|was ist|berechne|cuanto es|calcula|solve)\b"
    r"[\s:]*)?(?!9/11|24/7|50/50|80/20)[-(]*\d[\d\s.,()%]*"
    r"(?:(?:[-+*/x×÷·^]|\*\*|plus|minus|times|moins|fois|divided by"
    r"|multiplied by|divise par|% (?:of|de)|percent of|pour cent de)\s*[-(]*\d[\d\s.,()%]*)+"
    r"(?:=|equal|equals|font|make)?[\s?.]*"
)
_ASKS_YES_NO = re.compile(r"\b(?:yes or no|yes/no|oui ou non|oui/non|ja oder nein|si o no)\b")
_AUXILIARY = re.compile(
    r"(?:is|are|was|were|does|do|did|has|have|had|can|could)"
    r" (?!(?:you|your|anyone|anybody|someone|somebody|there (?:an?|any|some|other))\b)"
    r"|est-ce (?!que tu\b|que vous\b)"
    r"|(?:ist|sind|hat|haben|kann|war|waren) (?!du\b|sie mir\b)"
    r"|(?:es|son|puede|pueden|tiene|esta) "
)
_INVERTED = re.compile(r"[a-z]-(?:t-)?(?:il|elle|ils|elles|on)\b")
_OTHER_THAN_YES = re.compile(
    r"\b(?:or|ou|oder|what|way|ways|method|tool|alternatives?|moyens?|facons?|wie|como)\b| o "
    r"|\b(?:i|me|my|we|us|our|je|mon|ma|mes|nous|notre|nos|tu|vous|best|better|good|bad|worth|ethical"
    r"|moral|right|wrong|possible|think|meilleure?s?|mieux|bon|bonne|bien|mal|va|vont|worse|worst)\b"
    r"|^(?:qu|[a-z]{1,5} (?:quel|qui|quoi))|\b(?:quand|combien|lequel|laquelle|quels?|quelles?)\b"
)
_CHOOSE = re.compile(
    r"\b(?:choose|pick|select|which (?:one|of)|multiple[- ]choice"
    r"|(?:the|your) (?:letter|option|choice)|(?:correct|best) (?:answer|option)|choisi\w+|choix"
    r"|laquelle|lequel|parmi|cochez?|bonne reponse|la lettre|welche\w?|wahle|elige|cual)\b"
)
_SEVERAL = re.compile(r"\b(?:all that apply|select all|choose all|toutes les)\b")
_ASKS = re.compile(
    r"\b(?:what|which|who|where|when|whose|how (?:many|much|old|long|far|tall)|quel\w*|qui|que|ou"
    r"|quand|combien|wer|was|wo|wann|quien|donde)\b.*\?|[a-z]\s*(?::|\.\.\.|_)\s*$",
    re.S,
)


@dataclass(frozen=True)
class Count:
    """How the opinions voted. `answers`: agent_id → its answer, of those that gave one, in order of
    the ids. `winner`: what strictly most gave, two at least; None on a tie or where all differ.
    `votes`: how many gave it, 0 where there is none."""

    kind: Kind
    answers: Mapping[str, str]
    winner: str | None
    votes: int


def vote(query: str, opinions: Mapping[str, str]) -> Count | None:
    """The vote of the opinions (agent_id → text), or None for an open question."""
    kind = kind_of(query)
    if kind is None:
        return None
    read = {one: extract(kind, opinions[one], query) for one in sorted(opinions)}
    answers = {one: answer for one, answer in read.items() if answer is not None}
    first, second = [*Counter(answers.values()).most_common(2), ("", 0), ("", 0)][:2]
    won = first[1] >= AT_LEAST and first[1] > second[1]
    return Count(kind, answers, first[0] if won else None, first[1] if won else 0)


def kind_of(query: str) -> Kind | None:
    """What one word would answer `query`, in English or French (German and Spanish: the plainest);
    None for an open question, and for whatever may be one."""
    if len(query) > LOOKED_AT:
        return None
    text = plain(query).strip()
    stem, options = options_of(text)
    if options and _is_choice(stem.casefold(), "1" in options):
        return "choice"
    if "a" in options:
        return None
    whole = text.casefold()
    questions = [
        sentence.strip()
        for sentence in SENTENCES.split(whole)
        if sentence.endswith("?") and not _ASKS_YES_NO.match(sentence)
    ]
    if len(questions) > 1 or _TASK.search(whole) or _OPEN.search(whole):
        return None
    if _is_number(questions[0] if questions else whole, whole):
        return "number"
    if _ASKS_YES_NO.search(whole) or TRUE_FALSE.search(whole):
        return "yes_no"
    return "yes_no" if questions and "```" not in query and _is_yes_no(questions[0]) else None


def _is_choice(stem: str, numbered: bool) -> bool:
    if _TASK.search(stem) or _SEVERAL.search(stem):
        return False
    asks = _ASKS.search(stem) and not _OPEN.search(stem) and not numbered
    return bool(_CHOOSE.search(stem) or asks)


def _is_number(question: str, whole: str) -> bool:
    """Not two numbers at once; a length or a mean only of numbers that are given."""
    if len(question) <= SHORT and _SUM.fullmatch(question):
        return True
    asked = len(_HOW_MANY.findall(question))
    given = _OF_NUMBERS.search(question) and re.search("[0-9]", whole)
    return asked == 1 or bool(given and not asked)


def _is_yes_no(question: str) -> bool:
    begins = _AUXILIARY.match(question) or _INVERTED.search(question)
    return bool(begins and not _OTHER_THAN_YES.search(question))
