"""The embedded engine, for PCs without Ollama: a process that speaks its protocol over llama.cpp.

Reading order: `names.py`, `gguf.py`, `library.py` (which models there are), `asks.py` and
`protocol.py` (pure: Ollama's words to llama.cpp's and back), `runner.py` and `engine.py` (one
loaded model in a process of its own), `residents.py` (which models are loaded), `answers.py` (one
question, line by line), `server.py` (HTTP), `__main__.py`; `process.py` starts it as a child.
"""
