"""Ollama's words, read without a socket: the stream, refusals, deadlines, what a server tells."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import (
    BadCall,
    ContextOverflow,
    EmptyAnswer,
    ModelCallError,
    ModelCrashed,
    ModelLoadFailed,
    ModelNotAvailable,
    ModelNotUsable,
    NodeRefused,
    NodeUnreachable,
    NotOllama,
    RunawayOutput,
    ServerBusy,
    TruncatedStream,
)
from actors.messages.calls import Delta, Generated
from actors.ollama import failures, status, stream
from actors.ollama.cost import Cost
from actors.ollama.deadlines import Deadlines, Patience
from actors.ollama.stream import Transcript

LAST = {
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 2_000_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 300_000_000,
    "eval_count": 259,
    "eval_duration": 1_100_000_000,
}


def line(content: str = "", thinking: str | None = None) -> bytes:
    message = {"role": "assistant", "content": content}
    if thinking is not None:
        message["thinking"] = thinking
    return encoded({"message": message, "done": False})


def encoded(payload: Any) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode() + b"\n"


def last(**changes: Any) -> bytes:
    return encoded(LAST | changes)


def heard(*data: bytes) -> tuple[Transcript, list[Delta]]:
    transcript = Transcript()
    deltas = [delta for piece in data for delta in transcript.feed(piece)]
    return transcript, deltas + transcript.finish()


def answer(*data: bytes, num_ctx: int | None = 4096) -> Generated:
    return heard(*data)[0].answer(Cost(), 2.25, num_ctx)


def test_an_answer_carries_tokens_and_times() -> None:
    """Counts are the engine's; the network is wall time minus `total_duration`."""
    generated = answer(line("Hello"), line(" world"), last())
    assert generated.content == "Hello world"
    assert not generated.truncated
    usage = generated.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (26, 259, 285)
    timing = generated.timing
    assert (timing.wall_ms, timing.network_ms, timing.load_ms) == (2250, 250, 500)
    assert (timing.prompt_ms, timing.generate_ms) == (300, 1100)
    assert timing.total_ns == 2_000_000_000
    assert generated.prompt_evaluated is None


def test_earlier_attempts_are_added_to_the_cost() -> None:
    transcript, _ = heard(line("x"), last())
    generated = transcript.answer(Cost(10, 20, 1_000_000_000), 5.0, None)
    assert (generated.usage.prompt_tokens, generated.usage.completion_tokens) == (36, 279)
    assert generated.timing.total_ns == 3_000_000_000


def test_prompt_tokens_from_the_cache_are_not_evaluated() -> None:
    assert answer(line("x"), last(prompt_eval_cached_count=20)).prompt_evaluated == 6


def test_lines_that_arrive_together_become_one_delta_per_sort() -> None:
    data = line(thinking="hm") + line(thinking="m") + line("a") + line("b") + last()
    _, deltas = heard(data)
    assert deltas == [Delta(text="hmm", thinking=True), Delta(text="ab")]


def test_thinking_is_kept_apart_from_the_answer() -> None:
    generated = answer(line(thinking="so"), line("Yes."), last())
    assert (generated.thinking, generated.content) == ("so", "Yes.")


@given(st.text(min_size=1).filter(str.strip), st.data())
def test_any_split_of_the_bytes_gives_the_same_text(text: str, data: st.DataObject) -> None:
    """O27: reads end anywhere, in the middle of a character too."""
    whole = line(text).replace(b"\n", b"\r\n") + b"\n \r\n" + last()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    transcript, deltas = heard(*parts)
    assert "".join(delta.text for delta in deltas) == transcript.partial == text


def test_a_last_line_without_a_line_break_counts() -> None:
    assert answer(line("x"), last().rstrip(b"\n")).content == "x"


def test_o27_a_late_chunk_after_the_last_line_is_kept_and_late_trouble_ignored() -> None:
    late = line(" late") + encoded({"error": "too late"}) + b"not json\n"
    assert answer(line("x") + last() + late).content == "x late"


def test_o27_old_versions_lack_fields() -> None:
    bare = encoded({"message": {"content": "old"}, "done": True})
    generated = answer(bare)
    assert (generated.content, generated.usage.total_tokens) == ("old", 0)
    assert generated.timing.network_ms == 2250


@pytest.mark.parametrize("odd", [None, -1, "7", 1e400, True, [], 2**80, float("nan")])
def test_o27_a_count_that_is_none_is_nothing(odd: Any) -> None:
    assert answer(line("x"), last(eval_count=odd)).usage.completion_tokens == 0


def test_o27_lone_surrogates_do_not_break_a_message() -> None:
    data = b'{"message":{"content":"a\\ud83d\\u00e9"},"done":false}\n' + last()
    assert answer(data).content == "a\N{REPLACEMENT CHARACTER}é"


def test_o27_bad_utf8_does_not_break_a_message() -> None:
    data = b'{"message":{"content":"a\xff"},"done":false}\n' + last()
    assert answer(data).content == "a\N{REPLACEMENT CHARACTER}"


def test_o8_an_error_line_carries_the_partial_text() -> None:
    with pytest.raises(ModelCrashed) as caught:
        heard(line("half an"), encoded({"error": "model runner has unexpectedly stopped"}))
    assert caught.value.partial == "half an"
    assert caught.value.retryable


def test_o26_too_large_an_event_is_a_crash() -> None:
    message = "llama-server chat response stream event exceeded 8 MB limit"
    with pytest.raises(ModelCrashed, match="8 MB"):
        heard(line("x"), encoded({"error": message}))


def test_o9_an_end_without_the_last_line_is_no_answer() -> None:
    with pytest.raises(TruncatedStream) as caught:
        heard(line("half"))
    assert caught.value.partial == "half"


def test_o9_newer_versions_say_that_a_token_repeats() -> None:
    error = encoded({"error": "prediction aborted, token repeat limit reached"})
    with pytest.raises(RunawayOutput):
        heard(line("x"), error)


def test_o10_the_output_limit_is_flagged() -> None:
    assert answer(line("x"), last(done_reason="length")).truncated


def test_o11_a_prompt_that_fills_the_context_was_cut() -> None:
    with pytest.raises(ContextOverflow):
        answer(line("x"), last(prompt_eval_count=4096))
    assert answer(line("x"), last(prompt_eval_count=4096), num_ctx=None).content == "x"


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_o13_thinking_alone_is_no_answer(reason: str) -> None:
    transcript, _ = heard(line(thinking="hmm"), last(done_reason=reason))
    assert transcript.only_thought
    with pytest.raises(EmptyAnswer, match="only thought"):
        transcript.answer(Cost(), 1.0, None)


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_answer_is_no_answer(content: str) -> None:
    transcript, _ = heard(line(content), last())
    assert not transcript.only_thought
    with pytest.raises(EmptyAnswer):
        transcript.answer(Cost(), 1.0, None)


@pytest.mark.parametrize("token", ["\n", "\t", "   "])
def test_o15_white_space_without_end_is_cut(token: str) -> None:
    with pytest.raises(RunawayOutput) as caught:
        heard(line('{"a":'), *[line(token)] * (stream.BLANK_TOKENS + 1))
    assert caught.value.partial.startswith('{"a":')


def test_o15_white_space_in_one_piece_is_cut_too() -> None:
    with pytest.raises(RunawayOutput):
        heard(line("\n" * (stream.BLANK_CHARS + 1)))


def test_o15_white_space_between_words_is_none() -> None:
    blanks = [line("\n")] * stream.BLANK_TOKENS
    assert answer(*blanks, line("x"), *blanks, line("y"), last()).content.split() == ["x", "y"]


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_o18_a_load_is_never_an_answer(reason: str) -> None:
    with pytest.raises(EmptyAnswer, match=reason):
        answer(last(done_reason=reason))


def test_an_unknown_end_is_no_answer() -> None:
    with pytest.raises(TruncatedStream, match="odd"):
        answer(line("x"), last(done_reason="odd"))


@pytest.mark.parametrize(
    "data", [b"<html>\n", b"[1]\n", b'{"hello": 1}\n', b"[" * 100_000 + b"\n", b"9" * 5000 + b"\n"]
)
def test_o25_lines_that_are_none_of_ollamas(data: bytes) -> None:
    with pytest.raises(NotOllama):
        heard(data)


def test_lines_that_become_unreadable_are_a_crash() -> None:
    with pytest.raises(ModelCrashed) as caught:
        heard(line("good"), b"garbage\n")
    assert caught.value.partial == "good"


def test_o25_a_line_without_end_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_LINE", 100)
    with pytest.raises(NotOllama):
        heard(b"x" * 60, b"x" * 60)
    with pytest.raises(RunawayOutput):
        heard(line("good"), line("x" * 100))


def test_o25_the_total_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_BYTES", 1000)
    with pytest.raises(RunawayOutput):
        heard(*[line("again ")] * 100)


OVERFLOW = json.dumps(
    {
        "error": {
            "code": 400,
            "message": "request (351 tokens) exceeds the available context size (256 tokens)",
            "type": "exceed_context_size_error",
        }
    }
)
REFUSALS: list[tuple[int, Any, type[ModelCallError]]] = [
    (404, "model 'x' not found", ModelNotAvailable),
    (404, 'model "x" not found, try pulling it first', ModelNotAvailable),
    (404, "model 'grammar does not support ' not found", ModelNotAvailable),
    (404, {"code": 404, "message": "File Not Found", "type": "not_found_error"}, NotOllama),
    (503, "server busy, please try again.  maximum pending requests exceeded", ServerBusy),
    (503, {"code": 503, "message": "Loading model", "type": "unavailable_error"}, ServerBusy),
    (429, "slow down", ServerBusy),
    (500, "timed out waiting for llama-server to start - progress 0.4", ModelLoadFailed),
    (500, "llama-server process has terminated: signal: killed", ModelLoadFailed),
    (500, "model requires more system memory (9.1 GiB) than is available", ModelLoadFailed),
    (500, "llama runner process has terminated: cudaMalloc failed: out of memory", ModelLoadFailed),
    (499, "request canceled", ModelLoadFailed),
    (500, "model runner has unexpectedly stopped, this may be due to limitations", ModelCrashed),
    (500, "something nobody knows", ModelCrashed),
    (400, "the prompt is longer than the context length (4096)", ContextOverflow),
    (400, OVERFLOW, ContextOverflow),
    (500, OVERFLOW, ContextOverflow),
    (400, '"x" does not support thinking', failures.ThinkingRefused),
    (400, '"x" does not support chat', ModelNotUsable),
    (400, "this server cannot run this remote model", ModelNotUsable),
    (500, "error loading model: unknown model architecture: 'new'", ModelNotUsable),
    (500, 'invalid format: "{"; expected "json" or a valid JSON Schema object', BadCall),
    (400, {"code": 400, "message": "Failed to parse grammar", "type": "x"}, BadCall),
    (400, "json: cannot unmarshal string into Go struct field", BadCall),
    (400, "something nobody knows", BadCall),
    (401, "unauthorized", ModelNotUsable),
    (403, "ollama cloud is disabled: remote model is unavailable", ModelNotUsable),
    (500, None, ModelCrashed),
]


@pytest.mark.parametrize(("code", "error", "kind"), REFUSALS)
def test_a_refusal_becomes_its_error(code: int, error: Any, kind: type[ModelCallError]) -> None:
    assert type(failures.refusal(code, json.dumps({"error": error}).encode())) is kind


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (403, b"", NodeRefused),
        (403, b"<html>Forbidden</html>", NotOllama),
        (404, b"404 page not found", NotOllama),
        (502, b"<html>Bad Gateway</html>", NodeUnreachable),
        (500, b"[" * 100_000, NotOllama),
        (418, b"", NotOllama),
    ],
)
def test_a_refusal_without_words(code: int, body: bytes, kind: type[ModelCallError]) -> None:
    assert type(failures.refusal(code, body)) is kind


def test_o23_the_refusal_names_the_settings() -> None:
    detail = failures.refusal(403, b"").detail
    assert "OLLAMA_HOST" in detail
    assert "OLLAMA_ORIGINS" in detail


@pytest.mark.parametrize("code", [401, 403, 500])
def test_o24_no_link_is_passed_on(code: int) -> None:
    body = {"error": "sign in at https://ollama.com/connect?key=s3cret", "signin_url": "https://s3"}
    assert "s3" not in str(failures.refusal(code, json.dumps(body).encode()))
    assert "s3" not in str(failures.in_stream(body["error"], ""))


def test_details_are_short_and_on_one_line() -> None:
    assert failures.clean("a\r\nb\x00c") == "a b c"
    assert len(failures.clean("x" * 9999)) == failures.DETAIL_CHARS


def test_an_error_wrapped_too_often_is_still_an_error() -> None:
    message: Any = "deep"
    for _ in range(9):
        message = json.dumps({"error": message})
    assert isinstance(failures.in_stream(message, ""), ModelCrashed)


LIMITS = Deadlines(connect_s=1, first_token_s=300, stall_s=60, generation_s=120)


def test_a_cold_load_may_take_its_time_and_then_silence_is_short() -> None:
    patience = Patience(LIMITS, 0.0, ends_at=1000.0)
    assert patience.until == 300.0
    assert "no first token within 300 s" in patience.verdict("").detail
    patience.progress(150.0)
    assert patience.until == 210.0
    assert "silent for 60 s" in patience.verdict("").detail


def test_the_whole_answer_is_bounded_from_its_first_token() -> None:
    patience = Patience(LIMITS, 0.0, ends_at=1000.0)
    for now in (150.0, 200.0, 250.0):
        patience.progress(now)
    assert patience.until == 270.0
    assert "120 s after the first token" in patience.verdict("half").detail
    assert patience.verdict("half").partial == "half"


def test_the_calls_own_time_is_above_all() -> None:
    patience = Patience(LIMITS, 0.0, ends_at=20.0)
    patience.progress(10.0)
    assert patience.until == 20.0
    assert "own time" in patience.verdict("").detail


def test_after_the_last_line_the_end_is_due_at_once() -> None:
    patience = Patience(LIMITS, 0.0, ends_at=1000.0)
    patience.finish(5.0)
    patience.finish(5.9)
    assert patience.until == 6.0


def test_a_model_kept_for_ever_has_no_expiry() -> None:
    """Ollama shows `keep_alive: -1` as the year 2318, with nanoseconds."""
    entry = {"name": "m", "size": 5, "size_vram": 3, "context_length": 4096}
    stamps = ["2318-09-02T21:00:00.123456789Z", "2026-11-22T10:00:00.123456789+01:00", "odd", None]
    held = status.loaded({"models": [entry | {"expires_at": stamp} for stamp in stamps]})
    assert [model.expires_at is None for model in held] == [True, False, True, True]
    assert (held[0].size, held[0].size_vram, held[0].context_length) == (5, 3, 4096)


def test_cloud_models_are_not_on_disk() -> None:
    here = {"name": "here", "details": {"family": "llama", "parameter_size": "1.2B"}}
    there = {"name": "there", "remote_host": "https://ollama.com"}
    installed = status.installed({"models": [here, there, {"size": 3}, "odd"]})
    assert [(model.name, model.parameter_size) for model in installed] == [("here", "1.2B")]


@pytest.mark.parametrize("payload", [{}, {"models": None}, {"models": [None, 7]}])
def test_odd_lists_are_empty(payload: dict[str, Any]) -> None:
    assert status.installed(payload) == ()
    assert status.loaded(payload) == ()


def test_limits_come_from_the_models_own_architecture() -> None:
    info = {"general.architecture": "qwen3", "qwen3.context_length": 40960}
    told = status.limits({"model_info": info, "capabilities": ["completion", "thinking"]})
    assert told.context_length == 40960
    assert told.capabilities == ("completion", "thinking")
    assert status.limits({}) == status.ModelLimits()


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ("0.17.0", True),
        ("0.9.6", True),
        ("v0.1.32", True),
        ("0.17.1", False),
        ("0.17.1-rc2", False),
        ("1.0.0", False),
        ("0.0.0", False),
        ("homemade", False),
    ],
)
def test_versions_that_leak_memory_are_warned_of(version: str, warned: bool) -> None:
    assert bool(status.warnings(version)) is warned
    assert [one.values[1] for one in status.cautions(version)] == ["0.17.1"] * warned
