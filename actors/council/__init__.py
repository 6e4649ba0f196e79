"""The council's protocol, pure: values in, values out. No ray, httpx, asyncio, clock, random or os.

Reading order: `deliberation.py` (the heart: `next_step`, `record`), `seating.py` (with `personas`,
`recommended`, `model_names`), `briefs.py` (with `prompts`, `anonymity`, `context`, `quoting`),
`outcomes.py` (with `reviews`, `lenient_json`), `ranking.py`, `accounting.py`, `minutes.py`,
`export.py`.
"""
