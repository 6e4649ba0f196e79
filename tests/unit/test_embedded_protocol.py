"""The embedded engine's pure parts: names, headers, questions, answers, origins."""

import json
import math
import random
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.embedded import listings, protocol
from cluster.embedded.asks import ChatAsk, GenerateAsk, SaidMessage, seconds
from cluster.embedded.engine import last_words
from cluster.embedded.faults import BadAsk, EngineError, PromptTooLong
from cluster.embedded.gguf import NotGguf, read_header
from cluster.embedded.library import Library
from cluster.embedded.names import full_name, model_name
from cluster.embedded.origins import refused
from cluster.embedded.process import PACKAGED_MODEL, EngineOptions, offer_packaged_model

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COUNTS = protocol.Counts(prompt=31, cached=12, generated=2, prompt_ms=1.5, generate_ms=2.25)


def gguf(values: dict[str, Any], tensors: tuple[tuple[int, ...], ...] = ()) -> bytes:
    """A GGUF header, byte by byte as the format says."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def item(value: Any) -> bytes:
        if isinstance(value, str):
            return struct.pack("<I", 8) + text(value)
        if isinstance(value, list):
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
        return struct.pack("<II", 4, value)

    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    entries = b"".join(text(key) + item(value) for key, value in values.items())
    shapes = b"".join(
        text(f"t{number}")
        + struct.pack("<I", len(sizes))
        + struct.pack(f"<{len(sizes)}Q", *sizes)
        + struct.pack("<IQ", 0, 0)
        for number, sizes in enumerate(tensors)
    )
    return head + entries + shapes


TINY = {
    "general.architecture": "llama",
    "llama.context_length": 8192,
    "tokenizer.ggml.tokens": ["a", "b", "ü"],
    "general.file_type": 15,
    "tokenizer.chat_template": "{{ messages }}",
}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("smollm2:135m.gguf", "smollm2:135m"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct:q4_1"),
        ("Qwen2.5-0.5B-Instruct-Q4_K_M.gguf", "qwen2.5-0.5b-instruct:q4_k_m"),
        ("gemma-3-1b-it-IQ4_XS.gguf", "gemma-3-1b-it:iq4_xs"),
        ("phi-4.BF16.gguf", "phi-4:bf16"),
        ("gpt-oss-20b-mxfp4.GGUF", "gpt-oss-20b:mxfp4"),
        ("My Model.gguf", "my-model:latest"),
        ("big.Q8_0-00001-of-00003.gguf", "big:q8_0"),
        ("big.Q8_0-00002-of-00003.gguf", None),
        ("mmproj-model-f16.gguf", None),
        ("notes.txt", None),
        ("....gguf", None),
    ],
)
def test_a_file_name_says_what_the_model_is_called(file: str, name: str | None) -> None:
    assert model_name(file) == name


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("smollm2:135m", "smollm2:135m"),
        ("SmolLM2:135M", "smollm2:135m"),
        ("phi-4", "phi-4:latest"),
        ("registry.ollama.ai/library/phi-4", "phi-4:latest"),
        ("host:5000/phi-4", "host:5000/phi-4:latest"),
    ],
)
def test_a_name_without_a_tag_means_latest_and_case_does_not_matter(asked: str, name: str) -> None:
    assert full_name(asked) == name


def test_a_header_gives_scalars_and_the_parameter_count_but_no_lists(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    file.write_bytes(gguf(TINY, ((576, 49152), (7,))) + b"weights")
    header = read_header(file)
    assert header.architecture == "llama"
    assert header.context_length == 8192
    assert "tokenizer.ggml.tokens" not in header.values
    assert header.parameter_count == 576 * 49152 + 7


def test_a_model_that_was_trained_on_has_another_digest(tmp_path: Path) -> None:
    """Its header is the same, to the byte."""
    file, head = tmp_path / "tiny.gguf", gguf(TINY, ((576, 49152), (7,)))

    def digest(weights: bytes) -> str:
        file.write_bytes(head + weights)
        return read_header(file).digest

    weights = random.Random(1).randbytes(1_000_000)
    trained_on = bytes(byte ^ 1 for byte in weights)
    assert digest(weights) == digest(weights)
    found = [digest(one) for one in (weights, trained_on, weights[:-1], b"", b"\0")]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("kept", [0, 3, 4, 10, 23, 40, 120])
def test_a_cut_off_header_is_no_model(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "cut.gguf"
    file.write_bytes(gguf(TINY, ((2,),))[:kept])
    with pytest.raises(NotGguf):
        read_header(file)


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**62) + b"x" * 40,
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"\xff" + struct.pack("<II", 4, 1),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 9, 1),
    ],
)
def test_a_header_that_makes_no_sense_is_no_model(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "odd.gguf"
    file.write_bytes(data)
    with pytest.raises(NotGguf):
        read_header(file)


def test_the_library_offers_what_it_can_read_and_sees_new_files(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    (tmp_path / "dangling.gguf").symlink_to(tmp_path / "nowhere")
    library = Library(tmp_path)
    assert library.models() == ()
    (tmp_path / "Tiny.Q4_K_M.gguf").write_bytes(gguf(TINY))
    (tmp_path / "tiny:q4_k_m.gguf").write_bytes(gguf(TINY))
    assert [model.name for model in library.models()] == ["tiny:q4_k_m"]
    found = library.find("TINY:Q4_K_M")
    assert found is not None and found.path.name == "Tiny.Q4_K_M.gguf"
    assert (found.capabilities, found.quantisation) == (("completion",), "Q4_K_M")
    (tmp_path / "Tiny.Q4_K_M.gguf").write_bytes(
        gguf(TINY | {"tokenizer.chat_template": "{% if enable_thinking %}", "longer": 1})
    )
    found = library.find("tiny:q4_k_m")
    assert found is not None and found.capabilities == ("completion", "thinking")
    assert library.find("tiny") is None


def test_an_embedding_model_is_not_offered_for_completion(tmp_path: Path) -> None:
    (tmp_path / "e.gguf").write_bytes(gguf(TINY | {"llama.pooling_type": 1}))
    (model,) = Library(tmp_path).models()
    ask = ChatAsk(model="e")
    with pytest.raises(BadAsk, match='"e" does not support chat'):
        protocol.check(ask, model.capabilities)
    with pytest.raises(BadAsk, match='"e" does not support generate'):
        protocol.check(GenerateAsk(model="e"), model.capabilities)


def test_listings_have_ollamas_shapes(tmp_path: Path) -> None:
    (tmp_path / "tiny:1b.gguf").write_bytes(gguf(TINY, ((3_212_749_888,),)))
    (model,) = Library(tmp_path).models()
    assert listings.installed(model)["details"]["parameter_size"] == "3.2B"
    assert listings.shown(model)["model_info"] == {
        "general.architecture": "llama",
        "llama.context_length": 8192,
        "general.file_type": 15,
        "general.parameter_count": 3_212_749_888,
    }
    entry = listings.loaded(model, 99, 2048, NOW, 90)
    assert (entry["expires_at"], entry["size"]) == ("2026-01-02T03:05:35Z", 99)
    assert listings.loaded(model, 99, 2048, NOW, math.inf)["expires_at"] > "2300"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (0, 0.0),
        (300, 300.0),
        (1.5, 1.5),
        (-1, math.inf),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("-1m", math.inf),
        ("0", 0.0),
        ("0s", 0.0),
    ],
)
def test_keep_alive_is_seconds_or_gos_durations(said: Any, meant: float) -> None:
    assert seconds(said) == meant


@pytest.mark.parametrize("said", ["", "5", "-1", "5 m", "m", "1h-3m", "soon", True, [], {}])
def test_keep_alive_that_is_no_duration_is_refused(said: Any) -> None:
    with pytest.raises(ValidationError):
        ChatAsk(model="m", keep_alive=said)


def test_nulls_and_unknown_fields_are_as_if_left_out() -> None:
    asked = {"model": "m", "stream": None, "keep_alive": None, "options": {"seed": None, "x": 1}}
    ask = ChatAsk.model_validate(asked | {"messages": [{"role": "user"}], "format": None})
    assert (ask.stream, ask.keep_alive, ask.options.seed, ask.thinks) == (True, None, -1, None)
    assert ask.conversation == (SaidMessage(role="user", content=""),)


def test_options_become_llama_cpps_with_ollamas_defaults() -> None:
    options = {"temperature": 0, "seed": 7, "num_predict": 5, "num_ctx": 99, "stop": ["X"]}
    ask = ChatAsk.model_validate({"model": "m", "options": options})
    path, body = protocol.llama_request(ask, [SaidMessage(role="user", content="hi")])
    assert path == "/v1/chat/completions"
    assert body["messages"] == [{"role": "user", "content": "hi"}]
    assert (body["temperature"], body["seed"], body["max_tokens"]) == (0, 7, 5)
    assert (body["top_p"], body["top_k"], body["min_p"], body["stop"]) == (0.9, 40, 0.0, ["X"])
    assert body["cache_prompt"] is True
    assert not {"num_ctx", "num_predict", "response_format", "chat_template_kwargs"} & set(body)


@pytest.mark.parametrize("unlimited", [-2, -1, 0])
def test_no_output_limit_is_llama_cpps_minus_one(unlimited: int) -> None:
    ask = ChatAsk.model_validate({"model": "m", "options": {"num_predict": unlimited}})
    assert protocol.llama_request(ask, ())[1]["max_tokens"] == -1


def test_format_and_think_are_handed_on() -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    ask = ChatAsk.model_validate({"model": "m", "format": schema, "think": False})
    body = protocol.llama_request(ask, ())[1]
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"schema": schema}}
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == ["b", "a"]
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    plain = protocol.llama_request(ChatAsk.model_validate({"model": "m", "format": "json"}), ())[1]
    assert plain["response_format"] == {"type": "json_object"}


def test_a_prompt_is_a_conversation_unless_it_is_raw() -> None:
    ask = GenerateAsk(model="m", prompt="hi", system="be kind")
    assert [said.role for said in ask.conversation] == ["system", "user"]
    raw = GenerateAsk(model="m", prompt="hi", raw=True, format={"type": "object"})
    path, body = protocol.llama_request(raw, raw.conversation)
    assert (path, body["prompt"]) == ("/v1/completions", "hi")
    assert body["json_schema"] == {"type": "object"} and "messages" not in body
    assert GenerateAsk(model="m", system="only").conversation == ()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"think": True}, "does not support thinking"),
        ({"think": "high"}, "does not support thinking"),
        ({"tools": [{}]}, "does not support tools"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "does not support tools"),
        ({"messages": [{"role": "user", "images": ["x"]}]}, "does not support images"),
    ],
)
def test_what_the_engine_cannot_do_is_said_as_ollama_says_it(field: Any, words: str) -> None:
    with pytest.raises(BadAsk, match=words):
        protocol.check(ChatAsk.model_validate({"model": "m"} | field), ["completion"])


def test_thinking_is_allowed_where_the_model_can() -> None:
    protocol.check(ChatAsk(model="m", think=True), ["completion", "thinking"])
    with pytest.raises(BadAsk, match="insert"):
        protocol.check(GenerateAsk(model="m", suffix="x"), ["completion"])


def test_a_long_chat_loses_its_oldest_message_but_neither_system_nor_the_last() -> None:
    roles = ["system", "user", "assistant", "user"]
    said: Any = [SaidMessage(role=role, content=str(n)) for n, role in enumerate(roles)]  # type: ignore[arg-type]
    said = protocol.shortened(said)
    assert [message.content for message in said] == ["0", "2", "3"]
    said = protocol.shortened(said)
    assert [message.content for message in said] == ["0", "3"]
    assert protocol.shortened(said) is None
    assert protocol.shortened([]) is None


def test_chunks_become_pieces() -> None:
    delta: dict[str, Any] = {"choices": [{"finish_reason": None, "delta": {"content": "hé"}}]}
    assert protocol.read_chunk(delta) == protocol.Piece(text="hé")
    thought = {"choices": [{"delta": {"reasoning_content": "hm", "content": None}}]}
    assert protocol.read_chunk(thought) == protocol.Piece(thinking="hm")
    plain = {"choices": [{"text": "x", "finish_reason": "length"}]}
    assert protocol.read_chunk(plain) == protocol.Piece(text="x", reason="length")
    timings = {"cache_n": 12, "prompt_n": 19, "prompt_ms": 1.5}
    timings |= {"predicted_n": 2, "predicted_ms": 2.25}
    usage = {"prompt_tokens": 31, "completion_tokens": 2}
    end: dict[str, Any] = {"choices": [], "usage": usage, "timings": timings}
    assert protocol.read_chunk(end).counts == COUNTS


def test_errors_of_llama_cpp_become_ollamas() -> None:
    error = {"code": 400, "message": "request (50 tokens) exceeds the available context size"}
    error |= {"type": "exceed_context_size_error", "n_prompt_tokens": 50, "n_ctx": 20}
    told = protocol.refusal(400, json.dumps({"error": error}))
    assert isinstance(told, PromptTooLong) and told.status == 400
    assert "the prompt is longer than the context length" in told.text
    assert "50 tokens, context 20" in told.text
    with pytest.raises(PromptTooLong):
        protocol.read_chunk({"error": error})
    schema = protocol.refusal(400, '{"error": {"message": "JSON schema error at #"}}')
    assert (schema.status, schema.text) == (500, "invalid format: JSON schema error at #")
    other = protocol.refusal(503, '{"error": {"message": "Loading model"}}')
    assert (other.status, other.text) == (503, "Loading model")


@pytest.mark.parametrize("body", ["", "<html>", "{}", "[]", '{"error": "text"}', "null"])
def test_an_error_without_a_reason_is_still_an_error(body: str) -> None:
    error = protocol.refusal(502, body)
    assert type(error) is EngineError and error.status == 500


def test_lines_have_ollamas_fields() -> None:
    ask = ChatAsk(model="M")
    assert protocol.text_line(ask, protocol.Piece(text="a", thinking="t"), NOW) == {
        "model": "M",
        "created_at": "2026-01-02T03:04:05Z",
        "message": {"role": "assistant", "content": "a", "thinking": "t"},
        "done": False,
    }
    last = protocol.last_line(GenerateAsk(model="M"), "stop", NOW, COUNTS, 9, 4)
    assert last["response"] == "" and last["done"] is True and last["done_reason"] == "stop"
    assert (last["total_duration"], last["load_duration"]) == (9, 4)
    assert (last["prompt_eval_count"], last["prompt_eval_cached_count"], last["eval_count"]) == (
        31,
        12,
        2,
    )
    assert (last["prompt_eval_duration"], last["eval_duration"]) == (1_500_000, 2_250_000)
    assert protocol.bare_line(ask, "load", NOW)["done_reason"] == "load"


@pytest.mark.parametrize("kind", [ChatAsk, GenerateAsk])
def test_without_streaming_all_lines_become_one(kind: type[ChatAsk] | type[GenerateAsk]) -> None:
    ask = kind(model="m")
    pieces = protocol.Piece(thinking="hm"), protocol.Piece(text="a"), protocol.Piece(text="b")
    lines = [protocol.text_line(ask, piece, NOW) for piece in pieces]
    whole = protocol.gathered([*lines, protocol.last_line(ask, "stop", NOW, COUNTS, 9, 4)])
    said = whole["message"] if kind is ChatAsk else whole
    assert said["content" if kind is ChatAsk else "response"] == "ab"
    assert (said["thinking"], whole["done"], whole["eval_count"]) == ("hm", True, 2)
    alone = protocol.gathered([protocol.bare_line(ask, "unload", NOW)])
    assert alone == protocol.bare_line(ask, "unload", NOW)


@pytest.mark.parametrize(
    ("bound", "host", "origin", "no"),
    [
        ("127.0.0.1", "127.0.0.1:11434", None, False),
        ("127.0.0.1", "localhost:11434", "http://localhost:3000", False),
        ("::1", "[::1]:11434", None, False),
        ("127.0.0.1", "evil.example:11434", None, True),
        ("127.0.0.1", "127.0.0.1", "https://evil.example", True),
        ("127.0.0.1", "127.0.0.1", "null", True),
        ("127.0.0.1", "", None, True),
        ("0.0.0.0", "pc2.lan:11434", None, False),
        ("0.0.0.0", "pc2.lan:11434", "http://evil.example", True),
    ],
)
def test_a_web_page_from_elsewhere_is_turned_away(
    bound: str, host: str, origin: str | None, no: bool
) -> None:
    assert refused(bound, host, origin) is no


def test_last_words_are_the_end_of_what_llama_cpp_said() -> None:
    output = "0.00.1 I one\n\n0.00.2 E two: failed\n0.01.026.2 E three\nfour\n"
    assert last_words(output) == "two: failed; three; four"
    assert last_words("") == ""


def test_the_packaged_model_is_offered_only_to_a_folder_without_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "package" / "Packaged.Q4_1.gguf"
    packaged.parent.mkdir()
    packaged.write_bytes(gguf(TINY))
    monkeypatch.setattr("cluster.embedded.process.packaged_model", lambda: packaged)
    folder = tmp_path / "home" / "embedded"
    link = offer_packaged_model(folder)
    assert link is not None and model_name(link.name) == PACKAGED_MODEL
    assert offer_packaged_model(folder) is None
    moved = packaged.rename(packaged.with_name("Moved.gguf"))
    monkeypatch.setattr("cluster.embedded.process.packaged_model", lambda: moved)
    assert offer_packaged_model(folder) == link and link.resolve() == moved


def test_the_command_says_every_option(tmp_path: Path) -> None:
    options = EngineOptions(tmp_path, tmp_path / "log", port=1, parallel=2, max_loaded=4, threads=1)
    words = options.command(tmp_path / "port")[3:]
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--models-dir": str(tmp_path),
        "--port-file": str(tmp_path / "port"),
        "--port": "1",
        "--parallel": "2",
        "--max-loaded": "4",
        "--num-ctx": "2048",
        "--threads": "1",
    }
