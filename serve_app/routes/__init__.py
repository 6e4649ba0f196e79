"""The routes, a noun a file.

Reading order: `answers.py` (what all routes share), `council.py` (questions and sessions),
`events.py` (what is heard while a council sits), `tickets.py`, `worker.py`, `health.py`,
`page.py`, `docs.py`.
"""
