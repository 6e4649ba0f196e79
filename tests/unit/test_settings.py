"""The settings tree: where its values come from, and what it refuses."""

import os
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from cluster.head import orchestrator_config
from cluster.settings import InvalidSettings, Settings, default_node_name

NAMES = ("COUNCIL_", "OLLAMA_", "GENERATION_TIMEOUT", "OTEL_")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(NAMES):
            monkeypatch.delenv(name)


def test_defaults_are_those_of_the_contract() -> None:
    settings = Settings.load()
    assert (settings.host, settings.port, settings.lan) == ("127.0.0.1", 8000, False)
    assert (settings.max_agents, settings.max_query) == (5, 32_000)
    assert (settings.num_ctx, settings.num_predict) == (4096, 1024)
    assert (settings.deadline_s, settings.generation_timeout_s) == (600, 120)
    assert (settings.max_loaded_models, settings.num_parallel) == (3, 1)
    assert settings.ollama_url == "http://127.0.0.1:11434"
    assert settings.home == Path.home() / ".llm-council"
    assert settings.api_url == "http://127.0.0.1:8000"
    assert settings.cache_ttl_s == orchestrator_config(settings).cache_ttl_s == 3600


def test_the_environment_is_read_under_the_documented_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "COUNCIL_HOME": "/somewhere",
        "COUNCIL_MODELS": "qwen2.5:0.5b, llama3.2:1b",
        "COUNCIL_CORS_ORIGINS": "http://a,http://b",
        "GENERATION_TIMEOUT": "30",
        "OLLAMA_HOST": "192.168.1.9",
        "OLLAMA_MAX_LOADED_MODELS": "5",
        "OLLAMA_NUM_PARALLEL": "'4'",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.home == Path("/somewhere")
    assert settings.models == ("qwen2.5:0.5b", "llama3.2:1b")
    assert settings.cors_origins == ("http://a", "http://b")
    assert settings.generation_timeout_s == 30
    assert settings.ollama_url == "http://192.168.1.9:11434"
    assert (settings.max_loaded_models, settings.num_parallel) == (5, 4)


def test_council_ollama_url_wins_over_ollama_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "10.0.0.1")
    monkeypatch.setenv("COUNCIL_OLLAMA_URL", "http://10.0.0.2:11434")
    assert Settings.load().ollama_url == "http://10.0.0.2:11434"


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "10.0.0.1")
    monkeypatch.setenv("COUNCIL_PORT", "9000")
    settings = Settings.having(port=9100, ollama_url="10.0.0.3", num_parallel=2)
    assert (settings.port, settings.ollama_url) == (9100, "http://10.0.0.3:11434")
    assert settings.num_parallel == 2


def test_empty_and_zero_mean_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "")
    monkeypatch.setenv("OLLAMA_NUM_PARALLEL", "0")
    monkeypatch.setenv("OLLAMA_MAX_LOADED_MODELS", "0")
    settings = Settings.load()
    assert (settings.num_parallel, settings.max_loaded_models) == (1, 3)
    assert settings.ollama_url == "http://127.0.0.1:11434"


def test_another_process_loads_the_same_tree_from_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = Settings.having(
        home=tmp_path, port=9001, host="10.1.2.3", models=("a:1b", "b:2b"), chairman_model="c:3b",
        ollama_url="[::1]:11434", node_name="pc7", generation_timeout_s=7.5, embedded_threads=2,
    )  # fmt: skip
    for name, value in ours.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == ours


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COUNCIL_PORT", "eighty"),
        ("COUNCIL_PORT", "70000"),
        ("COUNCIL_MAX_AGENTS", "0"),
        ("COUNCIL_DEADLINE_S", "nan"),
        ("GENERATION_TIMEOUT", "-1"),
        ("COUNCIL_MODELS", "../../etc/passwd"),
        ("COUNCIL_NODE_NAME", "a b"),
        ("OLLAMA_NUM_PARALLEL", "many"),
        ("OLLAMA_HOST", "http://169.254.169.254"),
    ],
)
def test_a_bad_value_is_refused_with_its_variable_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name):
        Settings.load()


def test_a_bad_value_is_not_repeated_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://user:hunter2@10.0.0.1")
    with pytest.raises(InvalidSettings) as refused:
        Settings.load()
    assert "hunter2" not in str(refused.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        Settings.load().port = 1


def test_another_address_than_loopback_is_the_lan() -> None:
    assert Settings.having(host="192.168.1.5").lan


@pytest.mark.parametrize(
    ("host", "name"),
    [("pc-2", "pc-2"), ("PC2.lan", "PC2.lan"), ("bad_name!", "bad-name"), ("::1", "1"), ("", "pc")],
)
def test_a_node_name_is_made_of_what_the_host_is_called(host: str, name: str) -> None:
    assert default_node_name(host) == name


def test_a_question_may_wait_for_half_of_its_deadline_unless_told_otherwise() -> None:
    usual = orchestrator_config(Settings.having(deadline_s=900))
    told = orchestrator_config(Settings.having(max_queue_s=20, max_open=7))
    assert (usual.max_queue_s, usual.max_open) == (450, 500)
    assert (told.max_queue_s, told.max_open) == (20, 7)


def test_opentelemetrys_variables_are_handed_on_word_for_word_and_shown_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=hunter2", "OTEL_SERVICE_NAME": "ours"}
    for name, text in told.items():
        monkeypatch.setenv(name, text)
    settings = Settings.load()
    assert told.items() <= settings.environment().items()
    assert not [name for name in settings.environment(["home"]) if name.startswith("OTEL_")]
    assert "hunter2" not in repr(settings) + settings.model_dump_json()
    assert "otel" not in settings.model_fields_set, "no unit file is given them"


def test_opentelemetrys_variables_are_in_the_environment_while_its_sdk_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    settings = pickle.loads(pickle.dumps(Settings.load()))
    monkeypatch.setenv("OTEL_SERVICE_NAME", "another")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with settings.opentelemetry() as variables:
        now = {name: text for name, text in os.environ.items() if name.startswith("OTEL_")}
        assert now == variables == {"OTEL_SERVICE_NAME": "ours"}
    assert os.environ["OTEL_SERVICE_NAME"] == "another"
    assert os.environ["OTEL_SDK_DISABLED"] == "true"


@pytest.mark.parametrize(
    ("variable", "text"), [("COUNCIL_LOG_FORMAT", "xml"), ("COUNCIL_LOG_LEVEL", "LOUD")]
)
def test_a_log_of_another_kind_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(InvalidSettings, match=variable):
        Settings.load()
