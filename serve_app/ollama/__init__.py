"""The council and its models as an Ollama server, at `/ollama`.

Reading order: routes, translation, talk, catalogue, faults. The shapes are those of the embedded
engine (`cluster.embedded`), which speaks the same protocol.
"""
