"""Where it runs: settings, PCs, placement of models on PCs, starting and stopping.

Reading order: `settings.py`. Which model sits where: `nodes.py`, `situation.py`, `placement.py`
(pure), `pool.py` (with `roster`, `residents`, `scouts`, `hosts`, `watched`); over Ray:
`ray_pool.py`, `launch.py`, `head.py`. What HTTP calls: `council.py`, `ray_council.py`. Processes
on this PC: `processes.py`, `ray_node.py`, `continuation.py`, `ports.py`, `run_record.py`,
`secret_files.py`, `embedded/`. Whether another PC can be reached: `reach.py`.
May import `actors`; is imported by `serve_app`.
"""
