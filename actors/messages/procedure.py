"""How a council works: what a session's record says of it, so that it ends as it began."""

from typing import Literal

from actors.messages.message import Message

Mode = Literal["fast", "standard", "thorough"]
"""fast = opinions, and the one that agrees most with the others; standard = with reviews and a
synthesis; thorough = each opinion judged by itself, and written again where judges disagree."""
ReviewMethod = Literal["listwise", "pairwise"]
"""listwise = a reviewer judges all other answers in one call; pairwise = one answer a call."""


class Procedure(Message):
    """Settled when the question is accepted. `critique`: reviewers write freely first, and then
    vote in the same conversation; `guard`: the synthesis must not lose against the best opinion;
    `early_stop`: no more reviews once none can change who is first; `revision`: where it is open
    who is first, those who may be write their opinions again."""

    mode: Mode = "standard"
    review: ReviewMethod = "listwise"
    critique: bool = False
    guard: bool = False
    early_stop: bool = False
    revision: bool = False


class ProcedureDefaults(Message):
    """What the settings say. `mode` where a question names none; `review` in `standard`; the others
    where they apply."""

    mode: Mode = "standard"
    review: ReviewMethod = "listwise"
    critique: bool = False
    guard: bool = False
    early_stop: bool = False
