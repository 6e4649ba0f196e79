"""How the world comes in: HTTP and the command line.

Reading order: `api.py` (routes over a Council), `problems.py` (errors as problem+json), `app.py`
(Ray Serve), `cli.py`.
"""
