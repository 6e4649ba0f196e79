"""The council's protocol, pure: values in, values out. No ray, httpx, asyncio, clock, random or os.

Reading order: `deliberation.py` (the heart: `next_step`, `record`), `seating.py`, `prompts.py`,
`anonymity.py`, `context.py`, `reviews.py`, `ranking.py`, `accounting.py`, `minutes.py`.
"""
