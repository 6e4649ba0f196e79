"""From the mode that is asked for to the procedure that a session is recorded with."""

from actors.messages.procedure import Mode, Procedure, ProcedureDefaults


def procedure(asked: Mode | None, defaults: ProcedureDefaults) -> Procedure:
    """`fast` has opinions only; `standard` may end its reviews early; `thorough` hears every
    review, of one opinion each, and has a round of revisions."""
    mode = asked or defaults.mode
    if mode == "fast":
        return Procedure(mode=mode)
    thorough = mode == "thorough"
    return Procedure(
        mode=mode,
        review="pairwise" if thorough else defaults.review,
        critique=defaults.critique,
        guard=defaults.guard,
        early_stop=defaults.early_stop and not thorough,
        revision=thorough,
    )
