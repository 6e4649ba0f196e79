"""From the mode that is asked for to the procedure that a session is recorded with."""

from actors.messages.procedure import Mode, Procedure, ProcedureDefaults


def procedure(
    asked: Mode | None, defaults: ProcedureDefaults, formatted: bool = False
) -> Procedure:
    """`fast` has opinions only; `standard` may end its reviews early; `thorough` hears every
    review, of one opinion each, and has a round of revisions. `formatted`: the answer is held to a
    format, for which no opinion could stand, so there is no guard."""
    mode = asked or defaults.mode
    if mode == "fast":
        return Procedure(mode=mode)
    thorough = mode == "thorough"
    return Procedure(
        mode=mode,
        review="pairwise" if thorough else defaults.review,
        critique=defaults.critique,
        guard=defaults.guard and not formatted,
        early_stop=defaults.early_stop and not thorough,
        revision=thorough,
    )
