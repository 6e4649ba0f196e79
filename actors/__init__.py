"""What the council does: messages, the pure protocol, and the actors that act it out.

Reading order: `messages/` (the words), `errors.py` (what can go wrong), `council/` (the protocol,
pure), then the adapters `ollama/` and `store/`, then the shells `agent.py`, `chairman.py`,
`orchestrator.py`, `remote.py`.
Knows nothing of nodes, placement or HTTP serving.
"""
