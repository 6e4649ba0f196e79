"""A scripted fake Ollama: a real server on a real socket, with control over every byte.

Reading order: `ollama.py` (the server and its state), `replies.py` (how it may answer), `speech.py`
and `texts.py` (what it says), `memory.py` (what it holds), `shapes.py` (Ollama's JSON), `http.py`
(HTTP/1.1, by hand). As a process: `python -m tests.fakes --models a,b`.
"""

from tests.fakes.http import Request
from tests.fakes.ollama import FakeOllama, threaded
from tests.fakes.shapes import FakeModel
from tests.fakes.texts import seed_usage

__all__ = ["FakeModel", "FakeOllama", "Request", "seed_usage", "threaded"]
