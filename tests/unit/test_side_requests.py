"""Which requests of chat front ends are no questions, and which model answers them."""

import pytest

from actors.messages.nodes import InstalledModel, OllamaStatus
from serve_app.clients.side_requests import is_side_request, task_model
from tests.fake_council import report

SIDE = {
    "title": "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat "
    "history.\n### Output:\nJSON\n### Chat History:\n<chat_history>\nUSER: Hi\n</chat_history>",
    "tags": "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history.\n"
    "### Chat History:\n<chat_history>\n</chat_history>",
    "follow-ups": "### Task:\nSuggest 3-5 relevant follow-up questions.\n### Output:\nJSON\n"
    "### Chat History:\n<chat_history>\nUSER: Hi\n</chat_history>",
    "autocompletion": "### Task:\nYou are an autocompletion system.\n<text>The sky is</text>",
    "short title": "Provide a concise, 5-word-or-less title for the conversation, using its own "
    "language.",
    "plain title": "Please generate a title for this conversation.",
}
QUESTIONS = (
    "Why is the sky blue?",
    "### Task: explain scattering",
    "### Task:\nAnswer from the context.\n### Output:\nA direct answer, with citations.\n"
    "<context>\nA template has <chat_history> and <text>.\n</context>\nWhy is the sky blue?",
    "Write a short title for a post about chat programs",
    "Write a short story about a conversation between two clouds, with a title.",
    "What is the title of this book?",
    "Summarize the French revolution in 50 words.",
    "",
)


@pytest.mark.parametrize("text", SIDE.values(), ids=SIDE)
def test_what_front_ends_ask_by_the_way_is_no_question(text: str) -> None:
    assert is_side_request(text)


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_is_one(text: str) -> None:
    assert not is_side_request(text)


def test_markers_of_the_users_own_count_in_any_case() -> None:
    assert is_side_request("Please NAME THIS CHAT now", ("name this chat",))
    assert not is_side_request("Why?", ("", "name this chat"))


def test_the_model_is_the_one_that_is_set_else_the_smallest_that_can_chat() -> None:
    models = {"big:7b": 700, "small:1b": 100, "nomic-embed-text:latest": 10}
    installed = tuple(InstalledModel(name=n, size=s) for n, s in models.items())
    server = OllamaStatus(url="http://127.0.0.1:1", connected=True, installed=installed)
    pcs = (report("pc1", "head").model_copy(update={"ollama": server}),)
    assert task_model(None, pcs) == "small:1b"
    assert task_model("big:7b", pcs) == "big:7b"
    assert task_model("gone:1b", pcs) == "small:1b"
    assert task_model(None, ()) is None
