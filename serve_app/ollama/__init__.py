"""The council and its models as an Ollama server, at `/ollama`."""
