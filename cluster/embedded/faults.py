"""What can go wrong, with the status and the words that Ollama uses. Knows nothing of HTTP.

EngineError              `args = (status, text)`
├── ModelNotFound        404
├── BadAsk               400
├── PromptTooLong        400
├── LoadFailed           500, with what llama.cpp said
└── RunnerDied           500 before the first line, an `{"error": …}` line after it
"""


class EngineError(Exception):
    """Something to tell the client: `args[0]` the HTTP status, `args[1]` the text."""

    @property
    def status(self) -> int:
        return int(self.args[0])

    @property
    def text(self) -> str:
        return str(self.args[1])


class ModelNotFound(EngineError):
    def __init__(self, name: str) -> None:
        super().__init__(404, f"model '{name}' not found")


class BadAsk(EngineError):
    def __init__(self, text: str) -> None:
        super().__init__(400, text)


class PromptTooLong(EngineError):
    def __init__(self, tokens: int, num_ctx: int) -> None:
        super().__init__(
            400,
            "the prompt is longer than the context length currently available to the model"
            f" ({tokens} tokens, context {num_ctx}); shorten the prompt or raise num_ctx",
        )


class LoadFailed(EngineError):
    def __init__(self, ending: str, told: str) -> None:
        words = f"llama-server process has terminated: {ending}"
        super().__init__(500, f"{words}: {told or 'it said no reason; is the file whole?'}")


class RunnerDied(EngineError):
    def __init__(self, ending: str) -> None:
        super().__init__(
            500,
            "model runner has unexpectedly stopped, this may be due to resource limitations or an"
            f" internal error ({ending})",
        )
