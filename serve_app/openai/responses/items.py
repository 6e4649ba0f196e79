"""The output of a response while it is written: its items, and the events that tell of each step.
Pure.

Items come one after the other, as OpenAI's own do: what is of another kind than what was said last
ends an item and begins the next.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from serve_app.openai.shapes import Shape

DONE = "completed"


@dataclass(frozen=True)
class Kind:
    """Of an item that is text: how its parts and their events are called. `more`: what else its
    texts' events have."""

    item: str
    prefix: str
    parts: str
    part_event: str
    text_event: str
    index: str
    part: Shape
    more: Shape
    role: Shape


ANSWER = Kind(
    item="message",
    prefix="msg",
    parts="content",
    part_event="response.content_part",
    text_event="response.output_text",
    index="content_index",
    part={"type": "output_text", "annotations": [], "logprobs": []},
    more={"logprobs": []},
    role={"role": "assistant"},
)
THOUGHT = Kind(
    item="reasoning",
    prefix="rs",
    parts="summary",
    part_event="response.reasoning_summary_part",
    text_event="response.reasoning_summary_text",
    index="summary_index",
    part={"type": "summary_text"},
    more={},
    role={},
)


class Output:
    """Of one response, by `name`. `items`: those that are done."""

    def __init__(self, name: str) -> None:
        self.items: list[Shape] = []
        self._name = name
        self._events = 0
        self._kind: Kind | None = None
        self._text = ""

    def event(self, kind: str, **fields: Any) -> Shape:
        """The next one that a client is told."""
        self._events += 1
        return {"type": kind, "sequence_number": self._events - 1, **fields}

    def say(self, kind: Kind, text: str) -> Iterator[Shape]:
        if self._kind is not kind:
            yield from self.end()
            self._kind, self._text = kind, ""
            yield self._of_item("added", self._item(kind, "in_progress", []))
            yield self._of_part(kind, f"{kind.part_event}.added", part={**kind.part, "text": ""})
        self._text += text
        yield self._of_part(kind, f"{kind.text_event}.delta", delta=text, **kind.more)

    def end(self, status: str = DONE) -> Iterator[Shape]:
        """The end of the item that is being written, if there is one."""
        if (kind := self._kind) is None:
            return
        part = {**kind.part, "text": self._text}
        yield self._of_part(kind, f"{kind.text_event}.done", text=self._text, **kind.more)
        yield self._of_part(kind, f"{kind.part_event}.done", part=part)
        yield self._done(self._item(kind, status, [part]))
        self._kind = None

    def call(self, call: Shape) -> Iterator[Shape]:
        """A function that the model calls, as a chat has it; all of it is there at once."""
        yield from self.end()
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        item = {"type": "function_call", "id": self._id("fc"), "call_id": call["id"], "name": name}
        at = {"item_id": item["id"], "output_index": len(self.items)}
        event = "response.function_call_arguments"
        yield self._of_item("added", {**item, "arguments": "", "status": "in_progress"})
        yield self.event(f"{event}.delta", **at, delta=arguments)
        yield self.event(f"{event}.done", **at, name=name, arguments=arguments)
        yield self._done({**item, "arguments": arguments, "status": DONE})

    def _done(self, item: Shape) -> Shape:
        event = self._of_item("done", item)
        self.items.append(item)
        return event

    def _item(self, kind: Kind, status: str, parts: list[Shape]) -> Shape:
        name = self._id(kind.prefix)
        return {"type": kind.item, "id": name, "status": status, **kind.role, kind.parts: parts}

    def _of_item(self, step: str, item: Shape) -> Shape:
        index = len(self.items)
        return self.event(f"response.output_item.{step}", output_index=index, item=item)

    def _of_part(self, kind: Kind, event: str, **fields: Any) -> Shape:
        at = {"item_id": self._id(kind.prefix), "output_index": len(self.items), kind.index: 0}
        return self.event(event, **at, **fields)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._name}_{len(self.items)}"


def written(
    name: str, texts: Iterable[tuple[Kind, str]], calls: Iterable[Shape] = (), status: str = DONE
) -> list[Shape]:
    """The items of an output that nobody watches; an empty text is none. `status`: of the last
    text."""
    output = Output(name)
    steps = [output.say(kind, text) for kind, text in texts if text]
    steps += [output.end(status), *(output.call(call) for call in calls)]
    for events in steps:
        list(events)
    return output.items
