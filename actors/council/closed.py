"""Closed questions: what they ask for, which answer each opinion gives, and which is given most.
The vote of self-consistency (Wang et al. 2022, arXiv 2203.11171). Knows no models and no reviews.

1. A question is closed if one number, one of the options that it lists, or yes or no answers it.
   In doubt it is open: an open one taken for closed loses its answers to a word.
2. An opinion's answer is the one it states ("the answer is …", a box, a last line in bold); failing
   that, the last number, the only label, the first word. In doubt it gives none.
3. Text is read without accents and Markdown, some KB of it, in linear time.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Kind = Literal["number", "choice", "yes_no"]

LOOKED_AT = 8 * 1024
"""Characters of a question (a longer one is taken for open) and of the end of an opinion."""
HEAD = 1024
AT_LEAST = 2
"""Opinions that must give an answer before it can win."""

_ACCENTS = re.compile("[\u0300-\u036f]+")
_SIGNS = str.maketrans(
    "\u00a0\u202f\u2009\r\u2019\u2212\u2013\u2248\u2243_\uff1a\uff1f", "   \n'--== :?", "`\u00bf"
)
_LATEX = re.compile(r"\\[()\[\],!;]|\\(?:text|mathrm|mathbf|textbf)(?=\{)|\\(?=[%$])|\$")
_FRACTION = re.compile(r"\\d?frac ?\{([0-9]{1,20})\}\{([0-9]{1,20})\}")
_SPACES = re.compile(r"[^\S\n]+")
_LINE_ENDS = re.compile(r" ?\n[ \n]*")
_SENTENCES = re.compile(r"(?<=[.?!]) |(?<=[\u3002])|\n")

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
_TRUE_FALSE = re.compile(r"\b(?:true or false|true/false|vrai ou faux|vrai/faux)\b")
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

_LETTERED = re.compile(
    r"(?:^|(?<=[\s(]))[(\[]?(?:\*\*)?(?P<label>[A-Ja-j])(?:[)\]]|(?<=[A-J])[.:])(?:\*\*)?[ \t]?"
    r"(?=\S)",
    re.M,
)
_NUMBERED = re.compile(r"(?:^|(?<=[\s(]))[(]?(?P<label>[1-9])[).][ \t]+(?=\S)", re.M)
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

_NUMBER = re.compile(
    r"(?<![a-z0-9])(?<![0-9][.,:/^])(?<![a-z^]-)(?<!\^)"
    r"(?P<digits>-?(?>[0-9]{1,3}(?: [0-9]{3}){1,12}(?:[.,][0-9]{1,40})?(?![0-9])"
    r"|[0-9]{1,40}(?:[.,:/^'-][0-9]{1,40}){0,12}))(?!(?:st|nd|rd|th|e[0-9]+)\b|[0-9])"
    r"(?P<power>\s?(?:x|\*|×|\\times)\s?10\s?\^)?"
    r"(?:[ -]?(?P<scale>thousand|mille|k|millions?|milliards?|billions?|trillions?)\b)?"
)
_SCALES = {"thousand": 3, "mille": 3, "k": 3, "million": 6, "milliard": 9, "billion": 9}
_PLAIN = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")
_GROUPED = re.compile(
    r"-?[0-9]{1,3}(?:(?:,[0-9]{3})+(?:\.[0-9]+)?|(?:(?:\.[0-9]{3}){2,}|\.[0-9]{3}(?=,))(?:,[0-9]+)?"
    r"|(?:[ '][0-9]{3})+(?:[.,][0-9]+)?)"
)
_SMALL = {
    word: number
    for words in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        " fifteen sixteen seventeen eighteen nineteen twenty",
        "zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze"
        " seize dix-sept dix-huit dix-neuf vingt",
        "null eins zwei drei vier funf sechs sieben acht neun zehn",
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez",
    )
    for number, word in enumerate(words.split())
    if word != "null"
}
_TENS = {
    word: 10 * number
    for words in (
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "vingt trente quarante cinquante soixante",
    )
    for number, word in enumerate(words.split(), 2)
}
_LONGEST_FIRST = "|".join(sorted(_SMALL, key=len, reverse=True))
_WORD = re.compile(
    rf"(?<![\w-])(?:(?P<tens>{'|'.join(_TENS)})(?:[- ](?:et[- ])?(?P<units>{_LONGEST_FIRST}))?"
    rf"|(?P<small>{_LONGEST_FIRST}))(?![\w-])"
    r"(?! (?:hundred|thousand|cents?|mille|millions?|billions?|milliards?)\b)"
)
_ARTICLES = ("one", "un", "uno")

_BOXED = re.compile(r"\\boxed ?\{[{ ]{0,4}([^{}\n]{1,60})")
_HASHED = re.compile(
    r"^#{4} ?((?:[^\w\n]{0,3}[0-9][0-9.,' ]{0,30}|\(?[A-Ja-j]\)?)[^\w\n]{0,3})$", re.M
)
_LEAD = re.compile(
    r"\b(?:(?:correct|right|best) (?:option|choice)"
    r"|answers?|reponses?|antwort|respuesta|resultat|result|ergebnis|resultado|solution)\b"
    r"[^\n.:=]{0,80}?(?:\b(?:is|est|ist|es|equals)\b|[:=])[\s*:\"'(\[]{0,12}",
    re.I,
)
_MOST_LEADS = 20
_REST = 200
"""Characters of a statement, and statements, that are looked at."""
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_REFUSES = re.compile(
    r"\W*(?:(?:i'?m |i am |je suis )?(?:sorry|desole)|as an ai|i (?:do not|don't) (?:know|have)"
    r"|i (?:cannot|can't)|i(?:'| a)m (?:unable|not (?:able|sure))|je ne (?:sais|peux) pas)\b"
)
_LISTED = re.compile(r"^ ?1[.)] ", re.M)
_MARKER = re.compile(r"^ ?[0-9]{1,2}[.)] |\b(?:step|etape|schritt|paso) [0-9]+", re.M)
_BEFORE = re.compile(
    r"\W*(?:approximately|about|around|exactly|just|only|environ|exactement|a total of"
    r"|un total de)?\W*"
)
_RANGE = re.compile(r"\W{0,3}(?:-|to|or|a|ou|oder|bis|and|et)\W{0,3}")
_FOLLOWS = (
    r"(?=\W*$|\s*[,.;:!)*\]}\"'\n]|\s[-—]|\s(?:it|they|he|she|there|that|this|the|we|i|you|la|le"
    r"|les|il|elle|on|because|since|car|parce|is|est|which)\b)"
)
_YES_NO = re.compile(r"\W{0,8}(?:(?P<yes>yes|oui|yeah|ja)|(?P<no>no|non|nein|nope))" + _FOLLOWS)
_TRUTH = re.compile(r"\W{0,8}(?:(?P<yes>true|vrai)|(?P<no>false|faux))" + _FOLLOWS)
_LABEL = re.compile(
    r"[^\w\n]{0,8}(?i:(?:the|la|option|choice|choix|reponse|answer|letter|lettre)\s){0,3}"
    r"[^\w\n]{0,4}(?P<label>[A-J1-9](?![\w'])" + _FOLLOWS + r"|[a-j](?=[).:*\]\"]|\W*$))"
)
_ANOTHER = re.compile(
    r"[^\w\n]{0,4}(?:\b(?:and|or|et|ou|und|oder)\b|[&,/])\s?[^\w\n]{0,3}[A-Ja-j1-9](?![\w'])"
)
_CORRECT = re.compile(
    r"(?<![\w'])(?P<label>[A-J])(?:[).:][^\n]{0,80}?)?\W{0,3} (?:is|est)(?: the| la)?"
    r" (?:correct|right|bonne|best)\b"
)
_MARKED = re.compile(r"^[*\s>#(\[-]{0,6}(?P<label>[A-Ja-j1-9])(?:[).:\]*]|\W*$|\s[-—])", re.M)
_LONE = re.compile(r"\W*(?P<label>[A-Ja-j1-9])\W*")
_SHORT = 200

Found = list[str | None]
"""Answers found in one place; None: something that could be one, but which?"""


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
    plain = _plain(query).strip()
    stem, options = _options(plain)
    if options and _is_choice(stem.casefold(), "1" in options):
        return "choice"
    if "a" in options:
        return None
    whole = plain.casefold()
    questions = [
        sentence.strip()
        for sentence in _SENTENCES.split(whole)
        if sentence.endswith("?") and not _ASKS_YES_NO.match(sentence)
    ]
    if len(questions) > 1 or _TASK.search(whole) or _OPEN.search(whole):
        return None
    if _is_number(questions[0] if questions else whole, whole):
        return "number"
    if _ASKS_YES_NO.search(whole) or _TRUE_FALSE.search(whole):
        return "yes_no"
    return "yes_no" if questions and "```" not in query and _is_yes_no(questions[0]) else None


def _is_choice(stem: str, numbered: bool) -> bool:
    if _TASK.search(stem) or _SEVERAL.search(stem):
        return False
    asks = _ASKS.search(stem) and not _OPEN.search(stem) and not numbered
    return bool(_CHOOSE.search(stem) or asks)


def _is_number(question: str, whole: str) -> bool:
    """Not two numbers at once; a length or a mean only of numbers that are given."""
    if len(question) <= _SHORT and _SUM.fullmatch(question):
        return True
    asked = len(_HOW_MANY.findall(question))
    given = _OF_NUMBERS.search(question) and re.search("[0-9]", whole)
    return asked == 1 or bool(given and not asked)


def _is_yes_no(question: str) -> bool:
    begins = _AUXILIARY.match(question) or _INVERTED.search(question)
    return bool(begins and not _OTHER_THAN_YES.search(question))


def _options(plain: str) -> tuple[str, Mapping[str, str]]:
    """The question around its options, and label → option. No options: those of fewer than two."""
    for pattern, labels in ((_LETTERED, "abcdefghij"), (_NUMBERED, "123456789")):
        marks: list[re.Match[str]] = []
        for mark in pattern.finditer(plain):
            if mark["label"].casefold() == labels[len(marks) : len(marks) + 1]:
                marks.append(mark)
        if len(marks) > 1:
            end = plain.find("\n", marks[-1].end())
            end = len(plain) if end < 0 else end
            ends = [*(mark.start() for mark in marks[1:]), end]
            texts = (plain[mark.end() : stop] for mark, stop in zip(marks, ends, strict=True))
            stem = plain[: marks[0].start()] + plain[end:]
            return stem, {labels[n]: text.strip(" \n,;.?*") for n, text in enumerate(texts)}
    return plain, {}


def extract(kind: Kind, text: str, query: str) -> str | None:
    """The answer to `query` that `text` gives: a number in plain digits (`42`, `-3.5`), a label in
    small (`b`, `2`), `yes` or `no`. None where it gives none, or not clearly one. Never raises."""
    said = text.rpartition("</think>")[2].strip()
    if "<think>" in said[:HEAD]:
        return None
    head, tail = _plain(said[:HEAD]), _plain(said[-LOOKED_AT:])
    if kind == "number":
        return _first(_numbers_in(head.casefold(), tail.casefold()))
    asked = _plain(query[:LOOKED_AT]).strip()
    if kind == "choice":
        return _first(_labels_in(head, tail, _options(asked)[1]))
    truth = _TRUE_FALSE.search(asked.casefold()) is not None
    return _first([_yes_no_in(head.casefold(), tail.casefold(), truth)])


def _first(places: Iterable[Found]) -> str | None:
    """What is found in the first of the places that have anything, if it is one thing."""
    found = next((found for found in places if found), [None])
    return found[0] if len(set(found)) == 1 else None


def _plain(text: str) -> str:
    if not text.isascii():
        text = _ACCENTS.sub("", unicodedata.normalize("NFD", text))
    text = _LATEX.sub(" ", text.translate(_SIGNS).replace("{,}", ","))
    text = _FRACTION.sub(r"\1/\2", text)
    return _LINE_ENDS.sub("\n", _SPACES.sub(" ", text))


def _stated(tail: str) -> Iterator[str]:
    """What follows "the answer is", the last first, a sentence each."""
    for lead in list(_LEAD.finditer(tail))[: -_MOST_LEADS - 1 : -1]:
        rest = tail[lead.end() : lead.end() + _REST].strip()
        yield _SENTENCES.split(rest, maxsplit=1)[0]


def _last_line(tail: str) -> str:
    return tail[tail.strip().rfind("\n") + 1 :].strip()


def _bold(tail: str) -> list[str]:
    return _BOLD.findall(_last_line(tail))[-1:]


def _numbers_in(head: str, tail: str) -> Iterator[Found]:
    for marked in (*_BOXED.findall(tail)[-1:], *_HASHED.findall(tail)[-1:]):
        yield _stated_number(marked) or [None]
    yield from map(_stated_number, (*_stated(tail), *_bold(tail)))
    if _REFUSES.match(head):
        return
    unlisted = _MARKER.sub(" ", tail) if _LISTED.search(tail) else tail
    for sentence in reversed(_SENTENCES.split(unlisted)):
        sentence = _unbracketed(sentence)
        found = list(_NUMBER.finditer(sentence))
        between = sentence[found[-2].end() : found[-1].start()] if len(found) > 1 else ""
        yield [None] if _RANGE.fullmatch(between) else list(map(_value, found[-1:]))
    articles = _ARTICLES if len(tail) > _SHORT // 4 else ()
    yield [_word(word) for word in _WORD.finditer(tail) if word.group() not in articles]


def _stated_number(rest: str) -> Found:
    """`42 apples`, `12 * 7 = 84`, `there are 42`, `8849 m (29032 ft)`; not `3 to 5`."""
    rest = _unbracketed(rest).rpartition("=")[2]
    found = list(_NUMBER.finditer(rest))
    if not found:
        return [_word(word) for word in _WORD.finditer(rest)]
    leads = _BEFORE.fullmatch(rest[: found[0].start()])
    if len(found) > 1 and leads and not _RANGE.fullmatch(rest[found[0].end() : found[1].start()]):
        found = found[:1]
    return list(map(_value, found))


def _unbracketed(sentence: str) -> str:
    """Without brackets at its end that explain the number before them."""
    before, _, behind = sentence.rpartition(" (")
    ends = behind.rstrip(" .!*").endswith(")")
    return before if ends and re.search("[0-9]", before) else sentence


def _value(found: re.Match[str]) -> str | None:
    """In plain digits. `1,234` is a thousand and more, `3,5` and `0,125` are parts, `1.234` too."""
    digits = found["digits"]
    if found["power"] or found["scale"] in ("trillion", "trillions"):
        return None
    if _PLAIN.fullmatch(digits) and not (
        _GROUPED.fullmatch(digits) and digits.strip("-")[0] != "0"
    ):
        number = digits.replace(",", ".")
    elif _GROUPED.fullmatch(digits):
        point = re.search(r"[.,](?=[0-9]*$)", digits)
        cut = point.start() if point and _is_point(digits, point.start()) else len(digits)
        number = re.sub(r"[^-0-9]", "", digits[:cut]) + "." + digits[cut + 1 :]
    else:
        return None
    scale = _SCALES[(found["scale"] or "").removesuffix("s")] if found["scale"] else 0
    return _canonical(Decimal(f"{number.rstrip('.')}e{scale}"))


def _is_point(digits: str, at: int) -> bool:
    """Whether the last sign of grouped digits parts the whole from its fraction."""
    return digits.count(digits[at]) == 1 and (
        len(set(re.sub("[-0-9]", "", digits))) > 1 or len(digits) - at != 4
    )


def _canonical(number: Decimal) -> str:
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _word(found: re.Match[str]) -> str:
    small = found["small"] or found["units"]
    return str(_TENS.get(found["tens"] or "", 0) + (_SMALL[small] if small else 0))


def _labels_in(head: str, tail: str, options: Mapping[str, str]) -> Iterator[Found]:
    def known(label: str) -> str | None:
        return label.casefold() if label.casefold() in options else None

    def stated(rest: str) -> Found:
        match = _LABEL.match(rest)
        if match:
            return [known(match["label"]), *([None] if _ANOTHER.match(rest, match.end()) else [])]
        return _named(rest, options)

    marked = (*_BOXED.findall(tail)[-1:], *_HASHED.findall(tail)[-1:])
    yield from map(stated, (*marked, *_stated(tail)))
    yield [known(label) for label in _CORRECT.findall(tail)]
    yield from map(stated, _bold(tail))
    if lone := _LONE.fullmatch(tail):
        yield [known(lone["label"])]
    yield [known(label) for label in _MARKED.findall(tail) if known(label)]
    if len(tail) <= _SHORT and not _REFUSES.match(head.casefold()):
        yield _named(tail, options)


def _named(text: str, options: Mapping[str, str]) -> Found:
    """Labels of the options whose words are in `text`."""
    folded = text.casefold()
    return [
        label
        for label, option in options.items()
        if option and re.search(rf"(?<!\w){re.escape(option.casefold())}(?!\w)", folded)
    ]


def _yes_no_in(head: str, tail: str, truth: bool) -> Found:
    """Every place that says so, since "Yes, … The answer is no." says neither."""
    stated = next(([rest] for rest in _stated(tail) if _said(rest, truth)), [])
    places = (
        *_BOXED.findall(tail)[-1:],
        *stated,
        *_bold(tail),
        *head.split("\n"),
        _last_line(tail),
    )
    return [answer for place in places if (answer := _said(place, truth))]


def _said(place: str, truth: bool) -> str | None:
    match = _YES_NO.match(place) or (_TRUTH.match(place) if truth else None)
    return match.lastgroup if match else None
