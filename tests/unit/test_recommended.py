"""The recommended models, and what is on disk where."""

from datetime import UTC, datetime

from actors.council.table.recommended import RECOMMENDED, catalogue
from actors.messages.nodes import InstalledModel, NodeReport, OllamaStatus


def pc(name: str, *models: str, connected: bool = True) -> NodeReport:
    return NodeReport(
        name=name,
        ip="10.0.0.1",
        role="worker",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        ollama=OllamaStatus(
            url="http://127.0.0.1:11434",
            connected=connected,
            installed=tuple(InstalledModel(name=model) for model in models),
        ),
    )


def test_the_requirements_five_are_there_with_their_roles() -> None:
    assert [(model.name, model.size) for model in RECOMMENDED] == [
        ("qwen2.5:0.5b", "350 MB"),
        ("llama3.2:1b", "1.3 GB"),
        ("gemma2:2b", "1.6 GB"),
        ("phi3.5:latest", "2.2 GB"),
        ("tinyllama", "600 MB"),
    ]
    assert "Chairman" in RECOMMENDED[3].recommended_role
    assert not any(model.installed for model in RECOMMENDED)


def test_the_catalogue_tells_what_is_where() -> None:
    reports = [
        pc("pc2", "tinyllama:latest", "qwen2.5:0.5b", "qwen2.5:0.5b"),
        pc("pc3", "qwen2.5:0.5b"),
        pc("pc4", "gemma2:2b", connected=False),
        pc("pc1").model_copy(update={"ollama": None}),
    ]
    told = catalogue(reports)
    assert told.installed == ("qwen2.5:0.5b", "tinyllama:latest")
    assert told.nodes == {"qwen2.5:0.5b": ("pc2", "pc3"), "tinyllama:latest": ("pc2",)}
    assert {model.name for model in told.recommended if model.installed} == {
        "qwen2.5:0.5b",
        "tinyllama",
    }


def test_an_empty_council_still_recommends() -> None:
    assert catalogue([]).installed == ()
    assert len(catalogue([]).recommended) == 5
