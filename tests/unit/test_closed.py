"""Closed questions are told from open ones, and answered by what most opinions answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.judging.closed import Count, kind_of, vote
from actors.council.judging.plain_text import LOOKED_AT
from actors.council.judging.stated_answers import Kind
from tests.closed_questions import CLIPS, MCQ, NUMBERED, QCM, REPEATED, TRUTH, messy


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


@given(messy)
def test_no_question_is_too_odd(query: str) -> None:
    kind_of(query)


@given(st.dictionaries(st.text(max_size=3), messy, max_size=6), st.randoms())
def test_the_order_of_opinions_makes_no_difference(
    opinions: dict[str, str], chance: object
) -> None:
    shuffled = list(opinions.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    count, other = vote(CLIPS, opinions), vote(CLIPS, dict(shuffled))
    assert count is not None and other is not None
    assert count == other and list(count.answers) == list(other.answers)


@pytest.mark.parametrize("piece", REPEATED)
def test_much_of_one_thing_is_read_at_once(piece: str) -> None:
    """Linear, not timed: a pattern that goes back over 8 KB would take minutes here."""
    text = piece * (LOOKED_AT // len(piece))
    for end in ("", "z", "?"):
        kind_of(text[:-1] + end)
