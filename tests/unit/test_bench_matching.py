"""When an answer is right: what models really write, and what must not count."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.bench.items import Item
from serve_app.bench.matching import is_right
from serve_app.bench.statement import said
from serve_app.bench.words import tokens


def item(*answers: str, question: str = "?", choices: tuple[str, ...] = ()) -> Item:
    return Item(id="x", question=question, answers=answers, choices=choices)


BALL = "A bat and a ball cost 110 cents; the bat costs 100 cents more. What does the ball cost?"
CAPITAL = ("Sydney", "Canberra", "Melbourne")

RIGHT = [
    # the line that was asked for, in the ways in which models write it
    ("Answer: Canberra", item("Canberra")),
    ("Some thoughts.\n\n**Answer:** Canberra.", item("Canberra")),
    ("**Answer**: *canberra*", item("Canberra")),
    ("### Answer\n\nCanberra", item("Canberra")),
    ("The final answer is: **Canberra**, because Sydney and Melbourne quarrelled.",
     item("Canberra", choices=CAPITAL)),
    ("Answer: Canberra (not Sydney)", item("Canberra", choices=CAPITAL)),
    ("Réponse : un camion, et non l'orage", item("camion", choices=("camion", "orage"))),
    ("Réponse : à 10h10.", item("10 h 10", "10h10")),
    ("Answer: 12:00 p.m.", item("12", "noon")),
    ("Answer: it is not Sydney but Canberra", item("Canberra", choices=CAPITAL)),
    ("Réponse : l'Éléphant d'Afrique", item("elephant")),
    ("La réponse est **Molière**.", item("Moliere")),
    ("RÉPONSE FINALE : Le cœur", item("coeur")),
    ("Answer: The Nile", item("Nile")),
    ("Answer: Nile", item("the Nile")),
    ("Answer: red, white and blue", item("red, white and blue")),
    ("Answer: gold or Au", item("gold", "Au")),
    ("First guess. Answer: Lyon\nOn reflection that is wrong.\nAnswer: Paris", item("Paris")),
    ("Answer: Paris\nAnswer: <the answer, in as few words as possible>", item("Paris")),
    ("As [A] and [B] say, it is Paris.\nAnswer: Paris [A, B]", item("Paris")),
    ("Answer: Paris\n\nMinority note: one of three named Lyon.", item("Paris")),
    ("<think>Answer: 9? No, 6.</think>\nAnswer: 42", item("42")),
    ("Answer: Canberra\n\nThis answer is based on the list of all the capitals of the world, in "
     "which it stands.", item("Canberra")),
    ("Antwort: Canberra", item("Canberra")),
    ("Answer: the red car", item("red car")),
    ("Réponse : la rouge, car elle est sèche", item("rouge")),
    (r"$\boxed{1{,}275\text{ km}}$", item("1275")),
    ("Answer: St. Petersburg", item("St Petersburg")),
    # numbers
    ("Answer: 42.", item("42")),
    ("Answer: 1,234 km", item("1234")),
    ("Answer: 1 234", item("1,234")),
    ("Réponse : 1\u202f234 €", item("1234")),
    ("Answer: $1,234.50", item("1234.5")),
    ("Réponse : 3,5", item("3.5")),
    ("Answer: 6 × 7 = 42", item("42", question="What is 6 × 7?")),
    ("Answer: 42 (= 6 × 7)", item("42", question="What is 6 × 7?")),
    ("Therefore, 17 * 23 = **391**", item("391", question="What is 17 * 23?")),
    (r"We get \[ 17 \times 23 = \boxed{391} \]", item("391")),
    (r"\boxed{\frac{1}{2}}", item("0.5", "1/2")),
    ("#### 391", item("391")),
    ("The 3 friends get 4 apples each.", item("4", question="12 apples for 3 friends. Each gets?")),
    ("Answer: five cents", item("5", question=BALL)),
    ("Answer: twenty-five", item("25")),
    ("Réponse : quatre-vingt-douze", item("92")),
    ("Answer: -3", item("-3")),
    ("Answer: −3 °C", item("-3")),
    ("The ball costs 5 cents. The bat then costs 100 cents more.", item("5", question=BALL)),
    ("1. Add 3 and 4 to get 7.\n2. Multiply 7 by 6 to get 42.\nSo the result is 42.", item("42")),
    ("It is the 21st.", item("21")),
    ("Answer: The Gull won, ahead of the Heron.", item("Gull", choices=("Heron", "Gull"))),
    ("The day after tomorrow is Friday, so today is Wednesday.",
     item("Wednesday", choices=("Wednesday", "Friday"))),
    ("Answer: B. A cat", item("B")),
    # no line that says so
    ("Canberra is the capital of Australia. It was founded in 1913. Its lake is artificial.",
     item("Canberra")),
    ("Australia has a planned capital.\nIt is Canberra.\n\nI hope this helps!", item("Canberra")),
    ("Canberra", item("Canberra")),
    # yes and no
    ("Yes, all of them are.", item("yes")),
    ("Answer: No. A tomato is a fruit.", item("no")),
    ("Let us see. All bloops are razzies.\nSo yes, they are.", item("yes")),
    ("Oui, car 7 est premier.", item("oui")),
    ("The statement is false.", item("false")),
    # a letter
    ("Answer: B", item("B")),
    ("Answer: (B) Paris", item("B")),
    ("Answer: b) Paris", item("B")),
]  # fmt: skip

WRONG = [
    ("", item("Canberra")),
    ("…", item("42")),
    ("Answer: Sydney", item("Canberra")),
    # whole words only
    ("Yesterday it was so.", item("yes")),
    ("Answer: Nothing", item("no", "not")),
    ("Answer: goldfish", item("gold")),
    ("Answer: 142", item("42")),
    ("Answer: 42.5", item("42")),
    ("Answer: 4.2", item("42")),
    ("Answer: -3", item("3")),
    ("Answer: H2O", item("2")),
    ("Answer: A good question", item("A")),
    ("Answer: A or B", item("A")),
    # named on the way, but not in the end
    ("One might think 5 cents. So the ball costs 10 cents.", item("5", question=BALL)),
    ("It could be Canberra at first sight.\nTherefore the capital is Sydney.", item("Canberra")),
    ("Canberra comes to mind.\nAnswer: Sydney", item("Canberra")),
    ("Answer: Canberra\nWait, that is wrong.\nAnswer: Sydney", item("Canberra")),
    ("Canberra is inland. The biggest city, Sydney, is the capital.",
     item("Canberra", choices=CAPITAL)),
    ("42 is too much. It is 41.", item("42")),
    ("Yes, it seems so. No, it is not.", item("yes")),
    ("There is no doubt that it is one.", item("no")),
    # denied
    ("Answer: not Canberra", item("Canberra")),
    ("It is not in Canberra.", item("Canberra")),
    ("Answer: Sydney rather than Canberra", item("Canberra")),
    ("Answer: Sydney instead of Canberra", item("Canberra")),
    ("Réponse : Lyon au lieu de Paris", item("Paris")),
    ("Ce n'est pas Lyon.", item("Lyon")),
    ("The statement isn't true.", item("true")),
    # everything at once
    ("Answer: Sydney, Canberra, Melbourne", item("Canberra")),
    ("- Sydney\n- Melbourne\n- Canberra", item("Canberra")),
    ("Answer: Sydney or Canberra", item("Canberra")),
    ("Answer: Canberra ou Sydney", item("Canberra")),
    ("Answer: Canberra and Sydney", item("Canberra", choices=CAPITAL)),
    ("Answer: yes or no", item("no")),
    ("Answer: yes or no", item("yes")),
    ("Answer: A, B, C, D", item("A")),
    ("Answer: Percy Shelley", item("Mary Shelley", "Shelley", choices=("Percy Shelley",))),
    ("Answer: The Heron, ahead of the Gull", item("Gull", choices=("Heron", "Gull"))),
    ("Answer: Canberra, Sydney", item("Canberra", choices=CAPITAL)),
    ("True and false are both possible.", item("true")),
    ("Answer: 5 or 10", item("5", question=BALL)),
    ("Answer: 3, 5, 7, 9", item("9", question="Which of 3, 5, 7, 9 is no prime?")),
    ("The ball costs 5 cents and the bat 105, or 10 and 100.", item("5", question=BALL)),
    # not known
    ("I don't know whether it is Canberra.", item("Canberra")),
    ("Answer: cannot be determined, maybe 42", item("42")),
    ("Je ne sais pas si c'est Lyon.", item("Lyon")),
    # the question, repeated
    ("Is it Canberra?", item("Canberra")),
    ("A farmer has 9 sheep left. How many has he?",
     item("9", question="A farmer has 9 sheep left. How many has he?")),
    # the form, copied without an answer
    ("Answer: <the answer, in as few words as possible>", item("as few words as possible")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "asked"), RIGHT)
def test_a_right_answer_is_found_however_it_is_written(text: str, asked: Item) -> None:
    assert is_right(text, asked), said(text)


@pytest.mark.parametrize(("text", "asked"), WRONG)
def test_what_is_not_stated_as_the_answer_does_not_count(text: str, asked: Item) -> None:
    assert not is_right(text, asked), said(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234 1 234 1'234 1234", (1234, 1234, 1234, 1234)),
        ("1.234.567,5", (Fraction("1234567.5"),)),
        ("0,125", (Fraction("0.125"),)),
        ("½ 1/2 3 / 4", (Fraction(1, 2), Fraction(1, 2), Fraction(3, 4))),
        ("10 - 3", (10, 3)),
        ("2nd 5km m² H2O", (2, 5, "km", "m", "h2o")),
        ("l'Œuvre Ça-là", ("l", "oeuvre", "ca", "la")),
        ("seventy-one soixante-douze", (71, 72)),
        ("1/0", ("1/0",)),
    ],
)
def test_numbers_and_words_are_read_as_they_are_meant(
    text: str, expected: tuple[object, ...]
) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    "sign",
    [
        *(
            "(",
            " ",
            "\\boxed{",
            "1,",
            "answer: ",
            "1",
            "- a\n",
            "\\frac{",
            " because",
            "1/",
            "000 ",
        ),
        *("<", "<think>", "a. ", "\n", ">", "1 *", " \n", "[A] ", "not ", "yes or ", "é"),
    ],
)
def test_a_sign_that_is_written_over_and_over_costs_no_time(sign: str) -> None:
    began = time.process_time()
    for asked in (item("42"), item("Canberra", choices=CAPITAL)):
        assert not is_right(f"answer{sign * 5_000}x", asked)
    assert time.process_time() - began < 5


@given(st.text(max_size=300))
def test_whatever_a_model_writes_is_read_without_an_error(text: str) -> None:
    for asked in (item("42"), item("yes"), item("B"), item("Canberra", choices=CAPITAL)):
        assert is_right(text, asked) in (True, False)


@given(st.integers(min_value=-(10**9), max_value=10**9))
def test_a_number_is_the_same_with_and_without_separators(number: int) -> None:
    assert is_right(f"Answer: {number:,}", item(str(number)))
    assert is_right(f"Réponse : {number}.", item(f"{number:,}".replace(",", " ")))
    assert not is_right(f"Answer: {number}", item(str(number + 1)))
