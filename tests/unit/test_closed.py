"""Closed questions are told from open ones, and answered by what most opinions answer."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.closed import LOOKED_AT, Count, Kind, extract, kind_of, vote

MCQ = "What is the capital of France?\nA) London\nB) Paris\nC) Berlin\nD) Rome"
QCM = "Quelle est la capitale de l'Australie ?\na) Sydney\nb) Canberra\nc) Melbourne"
NUMBERED = "Choose the correct answer. Which planet is largest?\n1. Mars\n2. Jupiter\n3. Venus"
TRUTH = "True or false: water boils at 100 °C at sea level."
CLIPS = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("How many legs does a spider have?", "number"),
        ("how many legs does a spider have", "number"),
        (CLIPS, "number"),
        (CLIPS + " Think step by step. Give only the number.", "number"),
        ("What is 12 * 7?", "number"),
        ("What's 15% of 80?", "number"),
        ("what is (3 + 4) × 5", "number"),
        ("12*7=?", "number"),
        ("Anna has 5 €. How much does she have left if she spends 2 €?", "number"),
        ("Quel est le nombre de pattes d'une araignée ?", "number"),
        ("Calculate 144 / 12.", "number"),
        ("In what year did World War II end?", "number"),
        ("What is the atomic number of carbon?", "number"),
        ("What is the average of 3, 4 and 8?", "number"),
        ("A train runs at 80 km/h for 2 hours. How far does it go?", "number"),
        ("Combien de pattes a une araignée ?", "number"),
        ("Combien font 12 fois 7 ?", "number"),
        ("Calcule 3,5 + 4", "number"),
        ("En quelle année la Révolution française a-t-elle commencé ?", "number"),
        ("Quelle est la somme de 3 et 4 ?", "number"),
        ("Wie viele Beine hat eine Spinne?", "number"),
        ("¿Cuántas patas tiene una araña?", "number"),
        (MCQ, "choice"),
        (MCQ.replace("\n", " "), "choice"),
        (MCQ + "\nAnswer with the letter only.", "choice"),
        (QCM, "choice"),
        (NUMBERED, "choice"),
        ("The chemical symbol of gold is:\nA. Ag\nB. Au\nC. Fe", "choice"),
        ("Why is the sky blue? Choose one.\n(a) Rayleigh (b) the sea", "choice"),
        ("Is the Earth flat?", "yes_no"),
        ("Hello! Is the Earth flat? Yes or no?", "yes_no"),
        ("Can penguins fly?", "yes_no"),
        ("Did Einstein win a Nobel prize?", "yes_no"),
        ("Is there life on Mars?", "yes_no"),
        ("Answer yes or no: the Earth is flat.", "yes_no"),
        (TRUTH, "yes_no"),
        ("Est-ce que la Terre est plate ?", "yes_no"),
        ("Est-ce un mammifère ?", "yes_no"),
        ("Peut-on respirer sur Mars ?", "yes_no"),
        ("Le Soleil est-il plus grand que la Lune ?", "yes_no"),
        ("Ist die Erde flach?", "yes_no"),
        ("¿Es plana la Tierra?", "yes_no"),
    ],
)
def test_a_closed_question_is_known_by_what_it_asks_for(query: str, kind: Kind) -> None:
    assert kind_of(query) == kind


@pytest.mark.parametrize(
    "query",
    [
        "",
        "Why is the sky blue?",
        "Is it raining or is it snowing?",
        "Is Python or Rust faster?",
        "Can you explain recursion?",
        "Could you write a poem?",
        "Could I get a recipe for bread?",
        "Is the Earth flat and why?",
        "Is it true? Explain.",
        "Is the Earth flat? What about Mars?",
        "Does anyone know a good editor?",
        "Do you think that AI is dangerous?",
        "Is there a way to sort a list?",
        "Are there any alternatives to Ray?",
        "Is this code correct?\n```\nx = 1\n```\nIs it?",
        "Have a look at this.",
        "How do I cook rice?",
        "How many planets are there and which is the largest?",
        "How many cats and how many dogs are there?",
        "How many eggs should I eat? Explain why.",
        "How far is it?",
        "What is the meaning of life?",
        "What is the average salary?",
        "Write a function that a) reads a file and b) prints it.",
        "What are the differences between A) cats and B) dogs?",
        "Which of these are prime? Select all that apply.\nA) 2\nB) 3\nC) 4",
        "Fix these:\n1. a bug\n2. a typo\n3. a test",
        "Peux-tu m'expliquer la photosynthèse ?",
        "Est-ce que tu peux écrire un poème ?",
        "Où se trouve-t-il ?",
        "Comment fait-on du pain ?",
        "Qu'est-ce que la photosynthèse ?",
        "Y a-t-il un moyen de trier une liste ?",
        "Est-ce mieux à Paris ou à Lyon ?",
        "Combien y a-t-il de planètes ? Explique ta réponse.",
        "Should I learn Rust?",
        "Is my essay long?",
        "Can I use this in production?",
        "Is democracy the best form of government?",
        "Will computers be conscious?",
        "Faut-il apprendre le latin ?",
        "What is 9/11?",
        "How much does a car cost?",
        "Combien coûte un loyer à Paris ?",
        "How many words should an essay have?",
        "Rank these: A) x B) y?",
        "Warum ist der Himmel blau?",
        "Is it so? " * 1_000,
    ],
)
def test_an_open_question_is_not_taken_for_closed(query: str) -> None:
    assert kind_of(query) is None


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


def test_the_answer_of_most_wins() -> None:
    opinions = {"c": "The answer is 72.", "a": "48 + 24 = 72", "b": "It is 96.", "d": "Hm."}
    assert vote(CLIPS, opinions) == Count("number", {"a": "72", "b": "96", "c": "72"}, "72", 2)


@pytest.mark.parametrize(
    "opinions",
    [{}, {"a": "72"}, {"a": "72", "b": "96"}, {"a": "1", "b": "1", "c": "2", "d": "2"}],
)
def test_nobody_wins_alone_or_on_a_tie(opinions: dict[str, str]) -> None:
    count = vote(CLIPS, opinions)
    assert count == Count("number", opinions, None, 0)


def test_an_open_question_has_no_vote() -> None:
    assert vote("Why is the sky blue?", {"a": "42", "b": "42"}) is None


numbers = st.integers(-(10**12), 10**12).map(str) | st.decimals(
    allow_nan=False, allow_infinity=False, places=3, min_value=-(10**6), max_value=10**6
).map(lambda number: format(number.normalize() + Decimal(0), "f"))
ANSWERS: dict[Kind, tuple[str, st.SearchStrategy[str]]] = {
    "number": ("How many?", numbers),
    "choice": (MCQ, st.sampled_from("abcd")),
    "yes_no": ("Is it?", st.sampled_from(["yes", "no"])),
}
pieces = st.sampled_from(
    ["The answer is ", "Answer:", "\\boxed{", "}", "#### ", "**", "1,234", "-", " ", "\n", "yes"]
    + ["No, ", "A) ", "(b)", " B is correct", "1. ", "=", "/", "^", " 000", "seven", "<think>", "?"]
    + ["x 10^", "How many", "Is ", " or ", "million", "\\frac{1}{2}", "é", "\u0301", "三", "${,}"]
)
messy = st.text(max_size=200) | st.lists(pieces, max_size=40).map("".join)


@pytest.mark.parametrize("kind", ANSWERS)
@given(data=st.data())
def test_the_canonical_form_is_read_as_itself(kind: Kind, data: st.DataObject) -> None:
    query, answers = ANSWERS[kind]
    answer = data.draw(answers)
    for said in ("The answer is {}", "Réponse : **{}**.", "So\n\n\\boxed{{{}}}", "{}"):
        assert extract(kind, said.format(answer), query) == answer


@given(messy, messy)
def test_nothing_is_too_odd_and_what_is_read_is_canonical(text: str, query: str) -> None:
    kind_of(query)
    for kind, (asked, _) in ANSWERS.items():
        answer = extract(kind, text, asked)
        extract(kind, f"{text}\ud800", query)
        assert answer is None or extract(kind, f"The answer is {answer}", asked) == answer


@given(st.dictionaries(st.text(max_size=3), messy, max_size=6), st.randoms())
def test_the_order_of_opinions_makes_no_difference(
    opinions: dict[str, str], chance: object
) -> None:
    shuffled = list(opinions.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    count, other = vote(CLIPS, opinions), vote(CLIPS, dict(shuffled))
    assert count is not None and other is not None
    assert count == other and list(count.answers) == list(other.answers)


@pytest.mark.parametrize(
    "piece",
    [" ", "\n", "1", "1,", "1 234 ", "-", "(", "**", "The answer is ", "A) ", "\\boxed{", "x\n "]
    + [
        "answer ",
        "#",
        "and ",
        "twenty ",
        "1+",
        "1 . ",
        ". ",
        "#### ",
        "B).",
        "Is ",
        "a-",
        "a) b) ",
    ],
)
def test_much_of_one_thing_is_read_at_once(piece: str) -> None:
    """Linear, not timed: a pattern that goes back over 8 KB would take minutes here."""
    text = piece * (LOOKED_AT // len(piece))
    for end in ("", "z", "?"):
        kind_of(text[:-1] + end)
        for kind, (query, _) in ANSWERS.items():
            extract(kind, text * 2 + end, query)
            extract(kind, "B", text[:-1] + end)
