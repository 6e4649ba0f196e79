"""The answer that an opinion states is read in its words; where it is not clearly one, none is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.plain_text import LOOKED_AT
from actors.council.judging.stated_answers import Kind, extract
from tests.closed_questions import MCQ, NUMBERED, QCM, REPEATED, TRUTH, messy


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("42", "42"),
        ("**42**", "42"),
        ("42.", "42"),
        ("The answer is **42**.", "42"),
        ("The answer is: 42 apples, of which 10 are green.", "42"),
        ("The final answer is $\\boxed{72}$.", "72"),
        ("\\[ 48 + 24 = \\boxed{\\text{72}} \\]", "72"),
        ("48/2 = 24\n48+24 = 72\n#### 72", "72"),
        ("#### 1. Understand\nIn April 48.\n#### 2. Add\n48 + 24 = 72", "72"),
        (
            "Natalia sold 48 clips in April. In May, she sold half as many: 48 / 2 = 24 clips.\n\n"
            "Altogether, she sold 48 + 24 = 72 clips.\n\nLet me know if you have questions!",
            "72",
        ),
        ("Answer: 12 × 7 = 84", "84"),
        ("The total is 72 clips (48 in April and 24 in May).", "72"),
        ("12 (a dozen) × 7 = 84", "84"),
        ("x = 5 (since 2x = 10)", "5"),
        ("The answer is x = 5", "5"),
        ("84\n\n(12 × 7 = 84)", "84"),
        ("Answer: 42. Confidence: 90%", "42"),
        ("The answer to 12 * 7 is 84.", "84"),
        ("Answer:\n\n**84**", "84"),
        ("The answer is 12. Wait, no.\nFinal answer: 84", "84"),
        ("The answer is simple. You multiply 12 by 7 and get 84.", "84"),
        ("La réponse est 8.", "8"),
        ("Réponse finale : 8 pattes", "8"),
        ("Une araignée a **huit pattes**.", "8"),
        ("Une araignée a huit pattes.", "8"),
        ("A spider has eight legs.", "8"),
        ("Die Antwort ist: acht", "8"),
        ("The answer is seven.", "7"),
        ("The answer is twenty-one.", "21"),
        ("La réponse est vingt et un.", "21"),
        ("La réponse est dix-sept", "17"),
        ("The answer is ninety", "90"),
        ("One", "1"),
        ("La réponse est 3,5", "3.5"),
        ("The answer is 1,234.", "1234"),
        ("The answer is 1{,}234", "1234"),
        ("The answer is 1,234,567.50", "1234567.5"),
        ("La réponse est 1 234,5.", "1234.5"),
        ("La réponse est 12 345 678 euros", "12345678"),
        ("Die Antwort ist 1.234.567", "1234567"),
        ("Die Antwort ist 1.234,5", "1234.5"),
        ("It is 1'234", "1234"),
        ("The answer is 1.234", "1.234"),
        ("La réponse est 0,125", "0.125"),
        ("The answer is -5", "-5"),
        ("The answer is −0.", "0"),
        ("The answer is 3.00 kg", "3"),
        ("The answer is 007", "7"),
        (f"2^131 = {2**131 - 1}", str(2**131 - 1)),
        ("About 8 billion people live on Earth.", "8000000000"),
        ("Environ 2,5 millions d'habitants", "2500000"),
        ("The area is 42 m² (or 42km).", "42"),
        ("The answer is 8,849 m (29,032 ft).", "8849"),
        ("The answer is approximately $42, not 43.", "42"),
        ("I know this!\n1. Carbon has six protons.\n2. So the number is 6.", "6"),
        ("<think>maybe 12, or 13</think>The answer is 14", "14"),
        ("x" * 100_000 + " The answer is 42", "42"),
        ("The pi is 3.14159", "3.14159"),
        ("答案是42。", "42"),
        ("In 2020 300 people came", "300"),
    ],
)
def test_the_number_that_an_opinion_gives(text: str, answer: str) -> None:
    assert extract("number", text, "How many?") == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I don't know.",
        "I'm sorry, my knowledge ends in 2023.",
        "Je ne sais pas, peut-être 3.",
        "There are many of them.",
        "It has two or three.",
        "The answer is between 3 and 5.",
        "The answer is 3 to 5.",
        "The answer is 3-5",
        "It is 3 to 5",
        "The answer is 1/2.",
        "\\boxed{\\frac{1}{2}}",
        "\\boxed{x}, so 2",
        "It ended on 02/09/1945",
        "At 14:30",
        "3 x 10^8",
        "3e12",
        "9" * 50,
        "2 trillion",
        "Use version 1.2.3",
        "In COVID-19 times, H2O, on the 20th",
        "The answer is two hundred",
        "There are 7 days. The answer is that there are 7 days in 1 week.",
        "<think>12",
    ],
)
def test_no_number_where_it_is_not_clear_which(text: str) -> None:
    assert extract("number", text, "How many?") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("B", "b"),
        ("b", "b"),
        ("(B)", "b"),
        ("**B**", "b"),
        ("B) Paris", "b"),
        ("B. Paris is the capital of France.", "b"),
        ("The answer is B.", "b"),
        ("The correct answer is (B) Paris.", "b"),
        ("The correct answer is **B) Paris**.", "b"),
        ("Answer: B", "b"),
        ("Answer: option B because it is the capital", "b"),
        ("The answer is b", "b"),
        ("A) London is in England.\nC) Berlin is in Germany.\n\nTherefore, the answer is B.", "b"),
        ("Option B is correct.", "b"),
        ("B) Paris is the correct answer.", "b"),
        ("Let us see.\n\nIt is **B**", "b"),
        ("\\boxed{B}", "b"),
        ("So the correct option is B.", "b"),
        ("#### B", "b"),
        ("La réponse est B.", "b"),
        ("La bonne réponse est la lettre B, Paris.", "b"),
        ("The answer is Paris.", "b"),
        ("The capital of France is Paris.", "b"),
        ("I would say:\n\n(B) Paris", "b"),
        ("The answer is a city on the Seine: Paris", "b"),
    ],
)
def test_the_option_that_an_opinion_gives(text: str, answer: str) -> None:
    assert extract("choice", text, MCQ) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I don't know if it is Paris.",
        "E",
        "The answer is E.",
        "The answer is A or B.",
        "Answer: A, B",
        "A) London\nB) Paris",
        "The answer is not A.",
        "It may be London, Paris, …",
        "The answer is a matter of taste.",
        "A long story of the city, " * 20,
    ],
)
def test_no_option_where_it_is_not_clear_which(text: str) -> None:
    assert extract("choice", text, MCQ) is None


def test_options_may_be_numbered() -> None:
    assert extract("choice", "The answer is 2. Jupiter", NUMBERED) == "2"
    assert extract("choice", "La réponse est b) Canberra", QCM) == "b"
    assert extract("choice", "B", "no options") is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes", "yes"),
        ("No.", "no"),
        ("**Yes**, it can.", "yes"),
        ("No, the Earth is not flat. It is an oblate spheroid.", "no"),
        ("No the Earth is round", "no"),
        ("Yes — of course", "yes"),
        ("Oui, c'est possible.", "yes"),
        ("Non, la Terre n'est pas plate.", "no"),
        ("Nein.", "no"),
        ("The Earth is round.\n\nThe answer is no.", "no"),
        ("The Earth is round.\n\n**No**", "no"),
        ('The answer is "Yes".', "yes"),
        ("La réponse est non.", "no"),
        ("\\boxed{No}", "no"),
        ("Let me think about it.\nYes, it is.", "yes"),
    ],
)
def test_the_yes_or_no_that_an_opinion_gives(text: str, answer: str) -> None:
    assert extract("yes_no", text, "Is it?") == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes and no.",
        "Yes.\nNo.",
        "Yes, in a way. But the answer is no.",
        "No one knows.",
        "Non seulement elle est ronde",
        "It depends.",
        "The Earth is not flat.",
        "True.",
        "I cannot answer that.",
    ],
)
def test_neither_yes_nor_no_where_it_is_not_clear(text: str) -> None:
    assert extract("yes_no", text, "Is it?") is None


def test_true_and_false_are_yes_and_no_where_they_are_asked_for() -> None:
    assert extract("yes_no", "True.", TRUTH) == extract("yes_no", "Yes, it does.", TRUTH) == "yes"
    assert extract("yes_no", "The answer is **False**.", TRUTH) == "no"
    assert extract("yes_no", "Faux, car…", "Vrai ou faux : 1 > 2 ?") == "no"


numbers = st.integers(-(10**12), 10**12).map(str) | st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6
).map(lambda number: format(number.normalize() + Decimal(0), "f"))
ANSWERS: dict[Kind, tuple[str, st.SearchStrategy[str]]] = {
    "number": ("How many?", numbers),
    "choice": (MCQ, st.sampled_from("abcd")),
    "yes_no": ("Is it?", st.sampled_from(["yes", "no"])),
}


@pytest.mark.parametrize("kind", ANSWERS)
@given(data=st.data())
def test_the_canonical_form_is_read_as_itself(kind: Kind, data: st.DataObject) -> None:
    query, answers = ANSWERS[kind]
    answer = data.draw(answers)
    for said in ("The answer is {}", "Réponse : **{}**.", "So\n\n\\boxed{{{}}}", "{}"):
        assert extract(kind, said.format(answer), query) == answer


@given(messy, messy)
def test_nothing_is_too_odd_and_what_is_read_is_canonical(text: str, query: str) -> None:
    for kind, (asked, _) in ANSWERS.items():
        answer = extract(kind, text, asked)
        extract(kind, f"{text}\ud800", query)
        assert answer is None or extract(kind, f"The answer is {answer}", asked) == answer


@pytest.mark.parametrize("piece", REPEATED)
def test_much_of_one_thing_is_read_at_once(piece: str) -> None:
    """Linear, not timed: a pattern that goes back over 8 KB would take minutes here."""
    text = piece * (LOOKED_AT // len(piece))
    for end in ("", "z", "?"):
        for kind, (query, _) in ANSWERS.items():
            extract(kind, text * 2 + end, query)
            extract(kind, "B", text[:-1] + end)
