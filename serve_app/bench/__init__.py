"""Is my council worth it? Questions whose answers are known, and what a run of them says. Pure.

Reading order: `items.py` (what is asked), `words.py`, `statement.py`, `naming.py`, `matching.py`
(whether a text is right), `runs.py` (what one session brought), `contestants.py`, `statistics.py`,
`recommendation.py` (what it means), `report.py` and `plot.py` (how it looks).
`serve_app/cli/bench.py` does the asking.
"""
