"""The mode that is asked for, and what it means."""

from actors.council.table.procedures import procedure
from actors.messages.procedure import Procedure, ProcedureDefaults

ALL = ProcedureDefaults(critique=True, guard=True, early_stop=True)


def test_fast_has_opinions_only() -> None:
    assert procedure("fast", ALL) == Procedure(mode="fast")


def test_standard_goes_by_the_settings() -> None:
    assert procedure(None, ProcedureDefaults()) == Procedure()
    wanted = procedure("standard", ALL.model_copy(update={"review": "pairwise"}))
    assert (wanted.review, wanted.guard, wanted.early_stop) == ("pairwise", True, True)
    assert not wanted.revision


def test_thorough_hears_every_review_one_by_one_and_has_revisions() -> None:
    wanted = procedure("thorough", ALL)
    assert (wanted.review, wanted.revision, wanted.early_stop) == ("pairwise", True, False)
    assert not procedure("thorough", ProcedureDefaults()).guard


def test_a_question_that_names_no_mode_has_the_settings() -> None:
    assert procedure(None, ALL.model_copy(update={"mode": "fast"})).mode == "fast"
