"""Where it runs: settings, PCs, placement of models on PCs, starting and stopping.

Reading order: `settings.py`, `nodes.py`, `placement.py` (pure), `pool.py`, `launch.py`,
`council.py`, `embedded/`.
May import `actors`; is imported by `serve_app`.
"""
