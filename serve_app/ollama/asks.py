"""What a client asks for beside answers, in Ollama's words: vectors. Pure. The other asks are those
that the embedded engine reads."""

from pydantic import Field

from cluster.embedded.asks import Asked


class EmbedAsk(Asked):
    """`POST /api/embed`: one text, or several. An empty text is none, as in Ollama."""

    model: str = Field(min_length=1, max_length=300)
    input: str | tuple[str, ...] = ()
    truncate: bool = True
    dimensions: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        if isinstance(self.input, str):
            return (self.input,) if self.input else ()
        return self.input


class EmbeddingsAsk(Asked):
    """`POST /api/embeddings`, as it was before `embed`."""

    model: str = Field(min_length=1, max_length=300)
    prompt: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.prompt,) if self.prompt else ()
