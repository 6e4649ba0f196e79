"""The minutes of a session as Markdown. Pure; knows nothing of HTTP or files.

What models and people wrote stands in block quotes, line by line, so that no heading, list, table
or open fence of theirs reaches beyond it. HTML, images and links that lead elsewhere than to http
are disarmed (`\\<b>`, `!\\[`, `[x\\](javascript:`): a reader's viewer runs nothing and fetches
nothing. The exact text is in the JSON export.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from actors.council.telling.cost import energy
from actors.council.telling.provenance import provenance
from actors.messages.judgement import Standing
from actors.messages.requests import Turn
from actors.messages.sessions import CouncilSession, FinalAnswer, Opinion, Review

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&!$])")
_LIVE = re.compile(r"(\\*)(<(?=[A-Za-z/!?])|(?<=!)\[|\](?=[:\[]|\((?!https?://)))")
"""What begins a tag or an image, or ends the text of a link; with the backslashes before it."""


def markdown(session: CouncilSession) -> str:
    """The whole session: question, answer, ranking, opinions, reviews, absences, tokens, times."""
    names = {agent.agent_id: agent.name for agent in session.agents}
    parts = [
        *_head(session),
        *_answer(session.final_answer, names),
        *_ranking(session, names),
        *_section("Opinions", (_opinion(opinion) for opinion in session.opinions)),
        *_section("Reviews", _reviews(session.reviews, names)),
        *_troubles(session, names),
        *_costs(session),
    ]
    return "\n\n".join(parts) + "\n"


def _head(session: CouncilSession) -> list[str]:
    state = session.stage + (", degraded" if session.degraded else "")
    facts = [
        f"- Session: {session.session_id}",
        f"- Asked: {session.created_at.isoformat()}",
        f"- Stage: {state}",
        f"- Mode: {session.procedure.mode}",
        *([f"- Follows: {session.follows}"] if session.follows else []),
        f"- Chairman: {_inline(session.chairman_model)}",
        *(f"- {_inline(agent.name)}: {_inline(agent.model)}" for agent in session.agents),
    ]
    said = [part for turn in session.earlier for part in _turn(turn)]
    before = ["## Earlier in this conversation", *said] if said else []
    return ["# Council", "\n".join(facts), *before, "## Question", _quote(session.query)]


def _turn(turn: Turn) -> list[str]:
    return [f"**Asked:**\n\n{_quote(turn.query)}", f"**Answered:**\n\n{_quote(turn.answer)}"]


def _answer(answer: FinalAnswer | None, names: dict[str, str]) -> list[str]:
    if answer is None:
        return []
    told = provenance(answer.model_dump(mode="json"), names)
    lost = answer.guard and answer.guard.synthesis
    more = ["The synthesis that lost:", _quote(lost)] if lost else []
    return ["## Answer", _quote(answer.content), _inline(" ".join(told)), *more]


def _ranking(session: CouncilSession, names: dict[str, str]) -> list[str]:
    if not session.ranking:
        return []
    rows = [
        f"| {one.place}{_sure(one)} | {_inline(names.get(one.agent_id, one.agent_id))} "
        f"| {one.points:.2f} | {one.mean_score:.2f} | {one.votes} |"
        for one in session.ranking
    ]
    head = ["| Place | Seat | Points | Mean score | Votes |", "|--|--|--|--|--|"]
    agreed = [_inline(session.agreement.sentence)] if session.agreement else []
    return ["## Ranking", "\n".join([*head, *rows]), *agreed]


def _sure(one: Standing) -> str:
    """The places that it may as well have."""
    sure = one.interval
    return f" ({sure.best}–{sure.worst})" if sure and sure.best != sure.worst else ""


def _section(title: str, entries: Iterable[str]) -> list[str]:
    parts = list(entries)
    return [f"## {title}", *parts] if parts else []


def _opinion(opinion: Opinion) -> str:
    cut = ", cut at the output limit" if opinion.truncated else ""
    kept = f", from the cache ({opinion.saved_tokens} tokens saved)" if opinion.cached else ""
    spent = f"{opinion.tokens_used} tokens, {opinion.duration_ms} ms"
    facts = f"{_inline(opinion.model)}, {spent}{cut}{kept}"
    written = f"### {_inline(opinion.agent_name)}\n\n{facts}\n\n{_quote(opinion.content)}"
    again = f"\n\nWritten again:\n\n{_quote(opinion.revision)}" if opinion.revision else ""
    return written + again


def _reviews(reviews: Sequence[Review], names: dict[str, str]) -> Iterator[str]:
    labels = sorted((label, a) for a, label in reviews[-1].labels.items()) if reviews else ()
    if labels:
        told = (f"{label} = {_inline(names.get(a, a))}" for label, a in labels)
        yield f"The judges saw the answers without names: {', '.join(told)}."
    yield from (_review(review, names) for review in reviews)


def _review(review: Review, names: dict[str, str]) -> str:
    votes = [
        f"- {_inline(names.get(vote.agent_id, vote.agent_id))}: {vote.score}/10"
        + (f" – {_inline(vote.reasoning)}" if vote.reasoning else "")
        for vote in review.rankings
    ]
    votes += [f"- Rejected: {_inline(reason)}" for reason in review.rejected]
    lines = "\n".join(votes) or "Abstained."
    lines += f"\n\nFrom the cache ({review.saved_tokens} tokens saved)." if review.cached else ""
    words = f"\n\n{_quote(review.critique)}" if review.critique else ""
    return f"### {_inline(review.reviewer_name)}\n\n{lines}{words}"


def _troubles(session: CouncilSession, names: dict[str, str]) -> list[str]:
    lines = [f"- {_inline(notice.detail)} ({_inline(notice.code)})" for notice in session.notices]
    lines += [
        f"- {_inline(names.get(one.agent_id, one.agent_id))} was absent in {_inline(one.stage)}: "
        f"{_inline(one.detail)} ({_inline(one.code)})"
        for one in session.absences
    ]
    if session.error:
        lines.append(f"- Ended without an answer: {_inline(session.error)}")
    return ["## Notices", "\n".join(lines)] if lines else []


def _costs(session: CouncilSession) -> list[str]:
    usage, latency = session.token_usage, session.latency_stats
    stages = [
        (usage.stage1_opinions, latency.stage1_opinions),
        (usage.stage2_review, latency.stage2_review),
        (usage.revision, latency.revision),
        (usage.stage3_synthesis, latency.stage3_synthesis),
        (usage.guard, latency.guard),
    ]
    rows = [
        f"| {tokens.stage} | {tokens.total_prompt_tokens} | {tokens.total_completion_tokens} "
        f"| {tokens.total_tokens} | {times.total_duration_ms if times else 0} |"
        for tokens, times in stages
        if tokens
    ]
    total = (
        f"| total | {usage.total_prompt_tokens} | {usage.total_completion_tokens} "
        f"| {usage.total_tokens} | {latency.total_duration_ms} |"
    )
    head = ["| Stage | Prompt | Completion | Total | ms |", "|--|--|--|--|--|"]
    cloud = [_inline(session.cloud_cost.sentence)] if session.cloud_cost else []
    used = [] if session.joules is None else [_inline(energy(session.joules))]
    saved = [f"Saved by the cache: {usage.saved_tokens} tokens."] if usage.saved_tokens else []
    return ["## Tokens and time", "\n".join([*head, *rows, total]), *saved, *cloud, *used]


def _quote(text: str) -> str:
    lines = _LIVE.sub(_disarmed, text).splitlines() or [""]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def _disarmed(found: re.Match[str]) -> str:
    """One backslash more, unless their number is odd: then the last of them disarms already."""
    return found[1] + ("" if len(found[1]) % 2 else "\\") + found[2]


def _inline(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
