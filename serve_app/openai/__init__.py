"""The OpenAI protocol under `/v1`: the council as a model, and every model of every PC.

Reading order: `asks.py` (what clients send), `translation.py` (in our words), `shapes.py` (what
they read), `talk.py` (a chat as it goes on), `faults.py`, `retries.py`, `route.py`, `opening.py`,
`routes.py`; then `responses/`, the same in the words of a newer API.
"""
