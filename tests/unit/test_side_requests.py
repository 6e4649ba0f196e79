"""Which requests of chat front ends are no questions, and which model answers them."""

import pytest

from actors.messages.nodes import InstalledModel, OllamaStatus
from serve_app.clients.side_requests import is_side_request, task_model
from tests.fake_council import report

HISTORY = "### Chat History:\n<chat_history>\nUSER: What is <context>?\n</chat_history>"
SIDE = {
    # The outlines of what Open WebUI 0.12.4 sends, and before it 0.5
    "title": f'### Task:\nMake a title.\n### Output:\nJSON format: {{"title": ""}}\n{HISTORY}',
    "tags": f'### Task:\nMake tags.\n\n### Output:\nJSON format: {{"tags": []}}\n\n{HISTORY}',
    "follow-ups": f"### Task:\nPredict messages.\n- Response must be a JSON object.\n{HISTORY}",
    "queries": f"### Task:\nAre searches needed?\n\n### Output:\nIn JSON:\n{{}}\n\n{HISTORY}\n",
    "autocompletion": "### Task:\nContinue the text in `<text>`.\n- Respond only in JSON.\nInput:\n"
    f"<type>General</type>\n<text>The sun</text>\n---\n{HISTORY}\n<text>The sky is</text>\n",
    "compaction": "### Task:\nSummarize the conversation history that goes.\n\n### Instructions:\n"
    "- Be brief.\n\n### Previous Summary:\n\n\n### Messages Being Compacted:\nuser: Hi",
    "face": "Your task is to reflect the speaker's likely facial expression through a fitting "
    "emoji.\n\nMessage: ```Hi```",
    "memory": "Review the completed conversation turn and decide whether long-term memory should "
    "change.\n\nConversation:\nUSER: Hi",
    "short title": "Provide a concise, 5-word-or-less title for the conversation, using its own "
    "language.",
    "plain title": "Please generate a title for this conversation.",
}
QUESTIONS = (
    "Why is the sky blue?",
    "### Task: explain scattering",
    "### Task:\nWhy does Open WebUI's <chat_history> break my JSON?",
    "### Task:\nGo on with the story.\n### Chat History:\nUSER: Once upon a time",
    "### Task:\nGo on with the story.\n<chat_history>\nUSER: Once upon a time\n</chat_history>",
    "What does Open WebUI send?\n### Task:\nMake a title.\nJSON\n<chat_history>\n</chat_history>",
    "Query: how high is the tower?",
    "### Task:\nAnswer from the context.\n### Output:\nA direct answer, with citations.\n"
    "<context>\nJSON of a\n<chat_history>\n<text>.\n</context>\nWhy is the sky blue?",
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


def test_which_tools_to_use_is_asked_beside_a_question() -> None:
    orders = 'Available Tools: [{"name": "clock"}]\n\nAnswer {"tool_calls": []}'
    for asked in ("Query: Why?", 'History:\nUSER: """Hi"""\nQuery: Why?'):
        assert is_side_request(asked, instructions=orders)
        assert not is_side_request(asked, instructions="Be brief.")
    assert not is_side_request("Why?", instructions=orders)


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
