"""Ollama's rules for names."""

import pytest

from actors.council.table.model_names import (
    can_be_asked_for,
    can_chat,
    canonical,
    resolve,
    runs_here,
)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("qwen2.5", "qwen2.5:latest"),
        ("Qwen2.5:0.5B", "qwen2.5:0.5b"),
        ("library/tinyllama", "tinyllama:latest"),
        ("registry.ollama.ai/library/tinyllama:1.1b", "tinyllama:1.1b"),
        ("someone/model", "someone/model:latest"),
        ("pc:5000/model", "pc:5000/model:latest"),
        ("hf.co/x/y:Q4_K_M", "hf.co/x/y:q4_k_m"),
    ],
)
def test_a_name_without_a_tag_means_latest(name: str, full: str) -> None:
    assert canonical(name) == full


def test_a_name_is_resolved_to_the_installed_one() -> None:
    installed = ["tinyllama:latest", "HF.co/X/Y:Q4", "phi3.5:latest"]
    assert resolve("tinyllama", installed) == "tinyllama:latest"
    assert resolve("hf.co/x/y:q4", installed) == "HF.co/X/Y:Q4"
    assert resolve("phi3.5:mini", installed) == "phi3.5:latest"
    assert resolve("tinyllama:1.1b", installed) is None
    assert resolve("../../x", installed) is None


def test_models_that_cannot_chat_or_run_elsewhere_are_known() -> None:
    assert can_chat("qwen2.5:0.5b", "qwen2")
    assert not can_chat("nomic-embed-text:latest", "nomic-bert")
    assert not can_chat("all-minilm:latest", "bert")
    assert runs_here("qwen2.5:0.5b")
    assert not runs_here("gpt-oss:120b-cloud")
    assert not runs_here("kimi-k2:cloud")


@pytest.mark.parametrize("name", ["", "a b", "../x", "<b>", "x" * 201, "a:b:c"])
def test_what_no_request_could_name_is_nobodys_model(name: str) -> None:
    assert not can_be_asked_for(name)
    assert can_be_asked_for("hf.co/x/y:Q4_K_M")
