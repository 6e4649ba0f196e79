"""The budget: a high estimate in every script, and an even, visible cut."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.council.asking.context import (
    MESSAGE_TOKENS,
    MOST_LETTERS,
    Answer,
    answer_budget,
    estimate_prompt,
    estimate_tokens,
    estimate_up_to,
    fit,
)
from actors.messages.calls import ChatMessage

MARKER = estimate_tokens("\n[… 1000000 characters left out …]\n")

SMOLLM2 = [
    (
        "English",
        82,
        "The sky appears blue because of a phenomenon called Rayleigh scattering. When sunlight "
        "enters the atmosphere, it collides with gas molecules, which scatter short wavelengths "
        "(blue and violet) much more strongly than long ones. Our eyes are less sensitive to "
        "violet, so we see blue. At sunset, the light travels a longer path, and most of the blue "
        "has been scattered away, which leaves the reds and oranges.",
    ),
    (
        "French",
        90,
        "Le ciel est bleu parce que les molécules de l'air diffusent davantage les courtes "
        "longueurs d'onde que les longues : c'est la diffusion de Rayleigh. Au coucher du soleil, "
        "la lumière traverse une épaisseur d'atmosphère plus grande, et il ne reste que le rouge "
        "et l'orangé.",
    ),
    (
        "German",
        49,
        "Warum ist der Himmel blau? Weil die Moleküle der Luft kurze Wellen stärker streuen als "
        "lange; abends bleibt nur das Rot übrig.",
    ),
    (
        "Markdown",
        43,
        "1. **Rayleigh scattering**: short wavelengths scatter more.\n2. **Our eyes**: less "
        "sensitive to violet.\n   - rods and cones\n   - the brain's interpretation\n\n"
        "### Summary\nBlue wins.",
    ),
    (
        "Python",
        39,
        "def fit(answers: list[str], budget: int) -> list[str]:\n"
        '    """Trims."""\n    return [a[:budget] for a in answers if a]\n',
    ),
    ("Chinese", 45, "天空为什么是蓝色的？因为大气分子散射短波长的光。"),
    ("Japanese", 52, "空が青いのはなぜですか。大気中の分子が光を強く散乱するからです。"),
    ("Korean", 77, "하늘은 왜 파란색인가요? 대기 분자가 빛을 산란시키기 때문입니다."),
    (
        "Russian",
        60,
        "Почему небо голубое? Потому что молекулы воздуха рассеивают короткие волны.",
    ),
    ("Arabic", 53, "لماذا السماء زرقاء؟ لأن جزيئات الهواء تشتت الضوء"),
    ("Hindi", 41, "आकाश नीला क्यों है? क्योंकि वायु के अणु"),
    ("Thai", 44, "ทำไมท้องฟ้าถึงเป็นสีฟ้า"),
    ("Greek", 23, "Γιατί ο ουρανός είναι μπλε;"),
    ("emoji", 33, "👩\u200d👩\u200d👧\u200d👦🎉🔥😀🇫🇷"),
    ("numbers", 38, "3.14159265358979 2024-10-11 1234567890"),
    ("capitals", 22, "WHY IS THE SKY BLUE? BECAUSE OF RAYLEIGH SCATTERING"),
    ("table", 23, "| Stage | Prompt |\n|-------|--------|\n| a | 1,293 |\n"),
    ("formula", 28, "∑_{i=1}^n x_i² ≤ √(∫ f(x) dx) → ∞"),
]
"""Text and its tokens as SmolLM2-135M-Instruct's own tokenizer counts them (without a start)."""


@pytest.mark.parametrize(("script", "real", "text"), SMOLLM2, ids=[row[0] for row in SMOLLM2])
def test_the_estimate_is_high_but_not_wild(script: str, real: int, text: str) -> None:
    assert 0.97 * real <= estimate_tokens(text) <= 1.75 * real


def test_hard_cases_of_one_run_are_not_taken_for_one_word() -> None:
    assert estimate_tokens("a" * 400) >= 200
    assert estimate_tokens("-" * 400) == 100
    assert estimate_tokens("") == 0


def test_a_prompt_counts_its_messages_too() -> None:
    message = ChatMessage(role="user", content="Why?")
    assert estimate_prompt([message, message]) == 2 * (MESSAGE_TOKENS + 2)


def test_the_budget_is_what_the_reply_and_the_rest_leave() -> None:
    assert answer_budget(4096, 1024, 300) == 2772
    assert answer_budget(512, 400, 300) == 0


def test_what_fits_is_left_alone() -> None:
    answers = (Answer("A", "short"), Answer("B", "also short"))
    assert fit(answers, 100).answers == answers
    assert fit(answers, 100).trimmed == ()
    assert fit((), 0).answers == ()


def test_the_longest_is_cut_first_and_keeps_beginning_and_end() -> None:
    long = "BEGIN " + "word " * 1000 + "END"
    fitted = fit([Answer("A", "short one"), Answer("B", long)], 200)
    assert fitted.trimmed == ("B",)
    assert fitted.answers[0].text == "short one"
    text = fitted.answers[1].text
    assert text.startswith("BEGIN word")
    assert text.endswith("word END")
    cut = int(re.findall(r"\[… (\d+) characters left out …\]", text)[0])
    assert len(long) - cut == len(text) - len(f"\n[… {cut} characters left out …]\n")


def test_long_ones_are_cut_to_the_same_length() -> None:
    answers = [Answer("A", "one " * 900), Answer("B", "two " * 500), Answer("C", "tiny")]
    fitted = fit(answers, 401)
    sizes = [estimate_tokens(answer.text) for answer in fitted.answers]
    assert fitted.trimmed == ("A", "B")
    assert sizes[2] == 1
    assert all(190 <= size <= 200 for size in sizes[:2])


texts = st.one_of(
    st.text(max_size=100),
    st.tuples(st.text("ab é日🎉\n", max_size=30), st.integers(0, 40)).map(
        lambda pair: pair[0] * pair[1]
    ),
)


@given(texts, st.integers(-1, 100))
def test_an_estimate_up_to_a_limit_agrees_with_the_whole_one(text: str, limit: int) -> None:
    assert len(text) <= MOST_LETTERS * estimate_tokens(text)
    told, whole = estimate_up_to(text, limit), estimate_tokens(text)
    assert told == whole if whole <= limit else told > limit


def test_megabytes_cost_no_more_than_what_is_kept_of_them() -> None:
    answers = [Answer(label, "x=[1]; " * 1_000_000) for label in "ABC"]
    began = time.process_time()
    fitted = fit(answers, 3_000)
    assert time.process_time() - began < 0.5
    assert fitted.trimmed == ("A", "B", "C")


@given(st.lists(texts, max_size=4), st.integers(0, 2000))
def test_what_is_fitted_fits_and_says_what_was_trimmed(contents: list[str], budget: int) -> None:
    answers = [Answer(chr(65 + index), text) for index, text in enumerate(contents)]
    fitted = fit(answers, budget)
    total = sum(estimate_tokens(answer.text) for answer in fitted.answers)
    assert total <= max(budget, MARKER * len(answers))
    changed = [
        before.label
        for before, after in zip(answers, fitted.answers, strict=True)
        if before != after
    ]
    assert list(fitted.trimmed) == changed
