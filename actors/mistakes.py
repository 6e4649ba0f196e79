"""A mistake of ours as the log tells it: what kind, and where in the code. What an exception says,
and a traceback's values with it, may hold a question or an answer: that is for DEBUG only.
"""

import re

INNERMOST = 5
_FRAME = re.compile(r'^ {1,8}File "[^"\n]{0,500}?([\w.-]{1,60}\.py)", line (\d{1,6})', re.M | re.A)


def told(error: BaseException) -> str:
    """`KeyError at hearing.py:120 > calls.py:80`; of a group every error in it."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(told, error.exceptions))
    where = " > ".join(_frames(error)[-INNERMOST:])
    return f"{type(error).__name__} at {where}" if where else type(error).__name__


def told_elsewhere(error: BaseException, trace: str) -> str:
    """The same of an error that came without its frames from another process, by its traceback."""
    where = " > ".join(f"{name}:{line}" for name, line in _FRAME.findall(trace)[-INNERMOST:])
    return f"{type(error).__name__} at {where}" if where else type(error).__name__


def _frames(error: BaseException) -> list[str]:
    """The frames as `file:line`, the innermost last."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename.rsplit("/", 1)[-1]
        frames.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames
