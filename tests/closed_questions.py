"""Closed questions, and much that looks like one or like an answer to one."""

from hypothesis import strategies as st

MCQ = "What is the capital of France?\nA) London\nB) Paris\nC) Berlin\nD) Rome"
QCM = "Quelle est la capitale de l'Australie ?\na) Sydney\nb) Canberra\nc) Melbourne"
NUMBERED = "Choose the correct answer. Which planet is largest?\n1. Mars\n2. Jupiter\n3. Venus"
TRUTH = "True or false: water boils at 100 °C at sea level."
CLIPS = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)

_pieces = st.sampled_from(
    ["The answer is ", "Answer:", "\\boxed{", "}", "#### ", "**", "1,234", "-", " ", "\n", "yes"]
    + ["No, ", "A) ", "(b)", " B is correct", "1. ", "=", "/", "^", " 000", "seven", "<think>", "?"]
    + ["x 10^", "How many", "Is ", " or ", "million", "\\frac{1}{2}", "é", "\u0301", "三", "${,}"]
)
messy = st.text(max_size=200) | st.lists(_pieces, max_size=40).map("".join)
REPEATED = (
    [" ", "\n", "1", "1,", "1 234 ", "-", "(", "**", "The answer is ", "A) ", "\\boxed{", "x\n "]
    + ["answer ", "#", "and ", "twenty ", "1+", "1 . ", ". ", "#### ", "B).", "Is ", "a-"]
    + ["a) b) "]
)
"""Pieces of a text that a pattern which goes back over 8 KB would take minutes to read."""
