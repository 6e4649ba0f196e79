"""OpenAI's Responses API, without sockets: what is asked as a chat, an output as it is written, and
a council's response while it sits and after."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from actors.messages.requests import CouncilRequest
from serve_app.clients.sitting import sitting
from serve_app.clients.telling import Telling
from serve_app.configuration import ApiConfig
from serve_app.openai.faults import Refused
from serve_app.openai.responses.asks import ResponsesAsk
from serve_app.openai.responses.items import ANSWER, THOUGHT, Output, written
from serve_app.openai.responses.shapes import Outline, asked_for
from serve_app.openai.responses.talk import Talk
from serve_app.openai.responses.translation import asked_again, chat_of, council_asked, session_of
from serve_app.openai.translation import local_chat
from tests.fake_council import MODEL, FakeCouncil, api

CONFIG = ApiConfig(version="1", python_version="3.11", ray_version="2.60")
FORMER = "6bc05330-ee29-4127-9488-c1d9a71f21d1"
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}


def asked(input: Any = "Why?", model: str = "council", **more: Any) -> ResponsesAsk:
    return ResponsesAsk.model_validate({"model": model, "input": input, **more})


def wanted(input: Any = "Why?", **more: Any) -> CouncilRequest:
    ask = asked(input, **more)
    return council_asked(ask, chat_of(ask))


def client(council: FakeCouncil) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api(council, CONFIG))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost/v1")


class TestTranslation:
    def test_a_text_is_what_the_user_asks(self) -> None:
        request = wanted(instructions="Be brief.", model="council-fast", max_output_tokens=9)
        assert (request.query, request.instructions, request.mode) == ("Why?", "Be brief.", "fast")
        assert request.answer is not None and request.answer.options.num_predict == 9

    def test_items_are_a_conversation_and_what_was_thought_in_it_is_left_out(self) -> None:
        said = [
            {"role": "developer", "content": "In French."},
            {"role": "user", "content": [{"type": "input_text", "text": "Why?"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {
                "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "It scatters.", "annotations": []}],
            },
            {"type": "message", "role": "user", "content": "And at sunset?"},
        ]  # fmt: skip
        request = wanted(said)
        assert (request.query, request.instructions) == ("And at sunset?", "In French.")
        assert [(t.query, t.answer) for t in request.earlier or ()] == [("Why?", "It scatters.")]

    def test_a_previous_response_is_the_session_that_is_followed(self) -> None:
        assert wanted(previous_response_id=f"resp_{FORMER}").follows == FORMER
        assert session_of(f"resp_{FORMER}") == FORMER
        assert session_of(FORMER) is session_of(f"resp_{FORMER}\n") is None

    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ({}, None),
            ({"format": {"type": "text"}}, None),
            ({"format": {"type": "json_object"}}, "json"),
            ({"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}, SCHEMA),
        ],
    )
    def test_what_a_council_was_asked_reads_the_same_from_its_record(
        self, text: dict[str, Any], form: Any
    ) -> None:
        ask = asked(
            text=text, temperature=0.5, top_p=0.9, max_output_tokens=50, instructions="Be brief.",
            model="council-thorough", previous_response_id=f"resp_{FORMER}",
            metadata={"chat": "4711"},
        )  # fmt: skip
        request = council_asked(ask, chat_of(ask))
        again = asked_again(request)
        assert request.answer is not None and request.answer.format == form
        assert again.model == ask.model
        repeated = asked_for(again, stored=True)
        if form == SCHEMA:
            repeated["text"]["format"]["name"] = "a"  # a name is kept nowhere
        assert repeated == asked_for(ask, stored=True)

    def test_tools_and_their_answers_reach_a_model(self) -> None:
        items = [
            {"role": "user", "content": "Lyon or Paris?"},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "1", "name": "weather", "arguments": '{"t": 1}'},
            {"type": "function_call", "call_id": "2", "name": "clock"},
            {"type": "function_call_output", "call_id": "2", "output": "Noon"},
            {"type": "function_call", "call_id": "3", "name": "clock"},
        ]
        ask = asked(items, model="a:1b", tools=[WEATHER], reasoning={"effort": "low"})
        chat = local_chat(chat_of(ask), "a:1b")
        _, said, told, again = chat.messages
        assert said.content == "I look." and said.tool_calls == (
            {"function": {"name": "weather", "arguments": {"t": 1}}},
            {"function": {"name": "clock", "arguments": {}}},
        )
        assert (told.role, told.content, told.tool_name) == ("tool", "Noon", "clock")
        assert (again.role, len(again.tool_calls)) == ("assistant", 1)
        function = {"name": "weather", "parameters": {"type": "object"}}
        assert chat.tools == ({"type": "function", "function": function},)
        assert chat.think == "low"

    def test_pictures_reach_a_model_from_the_request_itself_only(self) -> None:
        def look(url: str) -> ResponsesAsk:
            picture = {"type": "input_image", "image_url": url, "detail": "auto"}
            return asked([{"role": "user", "content": [picture]}], model="a:1b")

        chat = local_chat(chat_of(look("data:image/png;base64,aGk=")), "a:1b")
        assert chat.messages[0].images == ("aGk=",)
        with pytest.raises(Refused, match="data:image"):
            local_chat(chat_of(look("https://example.org/a.png")), "a:1b")

    @pytest.mark.parametrize(
        ("more", "param", "why"),
        [
            ({"tools": [WEATHER], "tool_choice": "required"}, "tool_choice", "calls no tools"),
            ({"conversation": "conv_1"}, "conversation", "No conversations"),
            ({"prompt": {"id": "pmpt_1"}}, "prompt", "No prompts"),
            ({"n": 2}, "n", "n has to be 1"),
            ({"temperature": 9}, "temperature", "less than or equal to 2"),
            ({"previous_response_id": "resp_4711"}, "previous_response_id", "no such response"),
            ({"model": "a:1b", "background": True}, "background", "is for a council"),
            ({"model": "a:1b", "previous_response_id": f"resp_{FORMER}"}, "previous_response_id",
             "Responses of a:1b are not kept"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_had_is_refused_by_name(
        self, more: dict[str, Any], param: str, why: str
    ) -> None:
        with pytest.raises(Refused, match=why) as no:
            wanted(**more)
        assert no.value.param == param

    def test_what_was_said_is_told_once(self) -> None:
        said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        with pytest.raises(Refused, match="only what is new"):
            wanted([*said, *said[:1]], previous_response_id=f"resp_{FORMER}")

    @pytest.mark.parametrize(
        "input",
        [
            [],
            [{"type": "item_reference", "id": "msg_1"}],
            [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}],
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            ["Why?"],
        ],
    )
    def test_items_of_other_kinds_are_none(self, input: list[Any]) -> None:
        with pytest.raises(ValidationError):
            asked(input)

    def test_openais_own_tools_are_not_here(self) -> None:
        with pytest.raises(ValidationError, match="only functions are called here"):
            asked(model="a:1b", tools=[{"type": "web_search"}])


class TestOutput:
    def test_items_follow_one_another_each_ended_before_the_next_begins(self) -> None:
        output = Output("x")
        call = {"id": "call_1", "function": {"name": "weather", "arguments": "{}"}}
        events = [
            *output.say(THOUGHT, "Opinions …\n"), *output.say(ANSWER, "It "),
            *output.say(ANSWER, "scatters."), *output.say(THOUGHT, "Guard …"),
            *output.end("incomplete"), *output.call(call),
        ]  # fmt: skip
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        steps = [(e["output_index"], e["type"]) for e in events if "output_item" in e["type"]]
        added, done = "response.output_item.added", "response.output_item.done"
        assert steps == [(n, step) for n in range(4) for step in (added, done)]
        assert [item["type"] for item in output.items] == [
            "reasoning", "message", "reasoning", "function_call",
        ]  # fmt: skip
        assert output.items[1]["content"][0]["text"] == "It scatters."
        assert output.items[2]["status"] == "incomplete"
        assert len({item["id"] for item in output.items}) == 4

    def test_an_output_that_nobody_watched_has_the_same_items(self) -> None:
        output = Output("x")
        list(output.say(ANSWER, "It "))
        list(output.say(ANSWER, "scatters."))
        list(output.end())
        assert written("x", [(THOUGHT, ""), (ANSWER, "It scatters.")]) == output.items
        assert written("x", [(ANSWER, "")]) == []


class TestRoutes:
    async def test_what_is_asked_in_the_background_is_looked_up_until_it_is_there(self) -> None:
        council = FakeCouncil(held=True)
        ask = {"model": "council", "input": "Why?", "background": True, "instructions": "Be brief."}
        async with client(council) as http:
            opened = (await http.post("/responses", json=ask)).json()
            name, session_id = opened["id"], session_of(opened["id"])
            assert opened["status"] in ("queued", "in_progress") and opened["background"]
            early = await http.delete(f"/responses/{name}")
            await council.finish(session_id or "")
            got = await http.get(f"/responses/{name}")
            late = await http.post(
                f"/responses/{name}/cancel", headers={"Content-Type": "application/json"}
            )
            gone = await http.delete(f"/responses/{name}")
            missing = await http.get(f"/responses/{name}")
        assert got.json()["status"] == "completed" and got.headers["x-council-session"]
        assert got.json()["output"][0]["content"][0]["text"] == "It scatters."
        assert got.json()["instructions"] == "Be brief."
        assert opened["usage"] is None and got.json()["usage"]["by_stage"] == {}
        assert (early.status_code, early.json()["error"]["code"]) == (400, "session_running")
        assert (late.status_code, late.json()["error"]["code"]) == (400, "session_finished")
        assert gone.json() == {"id": name, "object": "response", "deleted": True}
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "session_not_found")

    async def test_a_response_that_is_cancelled_says_so(self) -> None:
        async with client(FakeCouncil(held=True)) as http:
            ask = {"model": "council", "input": "Why?", "background": True}
            name = (await http.post("/responses", json=ask)).json()["id"]
            told = await http.post(
                f"/responses/{name}/cancel", headers={"Content-Type": "application/json"}
            )
            again = await http.get(f"/responses/{name}")
        assert told.json() == again.json() and told.json()["status"] == "cancelled"
        assert told.json()["error"] is None and told.json()["output"] == []

    async def test_a_council_without_an_answer_is_an_error_at_once_and_a_response_later(
        self,
    ) -> None:
        council = FakeCouncil(error_code="no_opinions")
        async with client(council) as http:
            failed = await http.post("/responses", json={"model": "council", "input": "Why?"})
            (session_id,) = council.sittings
            told = (await http.get(f"/responses/resp_{session_id}")).json()
            live = await http.post(
                "/responses", json={"model": "council", "input": "?", "stream": True}
            )
        assert (failed.status_code, failed.json()["error"]["code"]) == (502, "no_opinions")
        error = {"code": "server_error", "message": "It went wrong.", "param": None,
                 "type": "no_opinions"}  # fmt: skip
        assert (told["status"], told["error"]) == ("failed", error)
        last = json.loads(live.text.strip().splitlines()[-1].removeprefix("data: "))
        assert (last["type"], last["response"]["error"]) == ("response.failed", error)

    async def test_a_response_is_told_again_from_its_beginning(self) -> None:
        async with client(FakeCouncil()) as http:
            name = (await http.post("/responses", json={"model": "council", "input": "?"})).json()[
                "id"
            ]
            told = await http.get(f"/responses/{name}", params={"stream": True})
            from_there = await http.get(
                f"/responses/{name}", params={"stream": True, "starting_after": 3}
            )
        assert told.text.startswith("event: response.created\n")
        assert "It scatters." in told.text and "[DONE]" not in told.text
        assert from_there.status_code == 400
        assert from_there.json()["error"]["param"] == "starting_after"

    async def test_what_nobody_kept_is_not_found(self) -> None:
        async with client(FakeCouncil()) as http:
            local = (await http.post("/responses", json={"model": MODEL, "input": "?"})).json()
            for name in (local["id"], f"resp_{FORMER}", "nobody"):
                told = await http.get(f"/responses/{name}")
                assert (told.status_code, told.json()["error"]["type"]) == (
                    404, "invalid_request_error",
                )  # fmt: skip
        assert local["store"] is False and local["status"] == "completed"

    async def test_a_stream_that_cannot_begin_is_refused_by_its_status(self) -> None:
        ask = {"input": "?", "stream": True}
        async with client(FakeCouncil()) as http:
            nobody = await http.post("/responses", json={**ask, "model": "nobody"})
            local = await http.post("/responses", json={**ask, "model": MODEL})
        assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "model_not_found")
        assert local.text.count("event: response.output_text.delta\n") == 2

    async def test_silence_is_told_as_signs_of_life(self) -> None:
        council = FakeCouncil(held=True)
        session_id = (await council.open(CouncilRequest(query="Why?"))).session_id
        telling = Telling(exact=False, page="")
        sits = sitting(session_id, council, telling, heartbeat_s=0.01)
        flow = Talk(Outline(session_id, "council", 0, {})).council(sits, telling)
        async with asyncio.timeout(5), aclosing(flow):
            while await anext(flow) is not None:
                pass
        assert (await council.session(session_id)).error_code == "cancelled"

    async def test_nothing_is_no_body_but_for_a_cancel(self) -> None:
        async with client(FakeCouncil()) as http:
            told = await http.post("/responses", headers={"Content-Type": "application/json"})
            untyped = await http.post(f"/responses/resp_{FORMER}/cancel")
            half = await http.post(
                f"/responses/resp_{FORMER}/cancel",
                content="{",
                headers={"Content-Type": "application/json"},
            )
        assert (told.status_code, untyped.status_code, half.status_code) == (400, 415, 400)
