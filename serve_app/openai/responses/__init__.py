"""OpenAI's Responses API, at `/v1/responses`: a question asked so is a chat in other words.

Reading order: `asks.py` (what clients send), `translation.py` (as a chat, and for a council),
`items.py` (an output while it is written), `shapes.py` (what they read), `talk.py` (a response as
it goes on), `routes.py`.
"""
