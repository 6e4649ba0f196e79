"""The write-ahead log beside the session file (`-wal`): whole, torn at its end, or damaged. Pure.

SQLite reads a log up to the first frame whose checksum is wrong and drops the rest without a word:
right after a crash in mid-write, but a bad spot in the middle would take acknowledged events with
it. The format is SQLite's (sqlite.org/fileformat.html, section 4).
"""

import struct
from array import array
from sys import byteorder

_HEADER = struct.Struct(">8I")  # magic, version, page size, count, two salts, two sums
_FRAME = struct.Struct(">6I")  # page, pages after the commit (0: none), two salts, two sums
HEADER_BYTES = _HEADER.size
_ORDERS = {0x377F0682: "little", 0x377F0683: "big"}
Sums = tuple[int, int]


def is_damaged(log: bytes) -> bool:
    """Whether more than a torn end is wrong. Each commit is synced before the next begins, so of a
    crash at most one commit can be left beyond the first bad frame. (A bad spot in the very last
    commit looks like a torn end, and so does a log that was cut.)"""
    if len(log) <= HEADER_BYTES:
        return False
    magic, _, page, _, *salts, sum_1, sum_2 = _HEADER.unpack_from(log)
    order = _ORDERS.get(magic)
    if order is None or (sums := _sums(log[:24], order, (0, 0))) != (sum_1, sum_2):
        return True
    reads, unread_commits = True, 0
    for at in range(HEADER_BYTES, len(log) - _FRAME.size - page + 1, _FRAME.size + page):
        _, commits, *its_salts, sum_1, sum_2 = _FRAME.unpack_from(log, at)
        if reads:
            data = log[at : at + 8] + log[at + _FRAME.size : at + _FRAME.size + page]
            sums = _sums(data, order, sums)
            reads = its_salts == salts and sums == (sum_1, sum_2)
        if not reads and its_salts == salts and commits:  # other salts: of a log before this one
            unread_commits += 1
    return unread_commits > 1


def _sums(data: bytes, order: str, sums: Sums) -> Sums:
    """SQLite's checksum of `data` (a multiple of 8 bytes), going on from `sums`."""
    words = array("I", data)
    if order != byteorder:
        words.byteswap()
    sum_1, sum_2 = sums
    pairs = iter(words)
    for first, second in zip(pairs, pairs, strict=True):
        sum_1 = (sum_1 + first + sum_2) & 0xFFFFFFFF
        sum_2 = (sum_2 + second + sum_1) & 0xFFFFFFFF
    return sum_1, sum_2
