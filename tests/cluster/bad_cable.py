"""A bad cable between a simulated PC and the switch: it loses, delays and throttles frames.

As `tc netem` does it in a kernel that has it; here in a thread, over packet sockets, so that it
works everywhere. Knows nothing of councils.
"""

import fcntl
import heapq
import select
import socket
import struct
import threading
import time
from ctypes import addressof, create_string_buffer
from dataclasses import dataclass
from random import Random

from tests.cluster.boxes import enter_network

ALL_PROTOCOLS = 0x0003
OUTGOING = 4
SIOCETHTOOL = 0x8946
OFFLOADS = {"checksums": 0x17, "segments": 0x1F, "large segments": 0x24}
"""What a kernel leaves to the hardware; over packet sockets there is none to do it."""
LONGEST = 65_536


@dataclass(frozen=True)
class Quality:
    """Of each direction. `loss` = share of frames; a frame is underway for `delay_s` give or take
    `jitter_s`; `queue` = frames that wait for the wire, the others are dropped."""

    loss: float = 0.05
    delay_s: float = 0.3
    jitter_s: float = 0.2
    bits_per_s: float = 64_000
    queue: int = 60


@dataclass
class Direction:
    """Frames from one interface to another. `carried` and `lost` count bytes and frames."""

    source: socket.socket
    target: socket.socket
    free_at: float = 0.0
    carried: int = 0
    lost: int = 0


class BadCable:
    """Carries frames between two interfaces of the network that `pid` is in, until it is closed."""

    def __init__(self, pid: int, near: str, far: str, quality: Quality, seed: int = 1) -> None:
        self._quality = quality
        self._chance = Random(seed)
        self._frames: list[tuple[float, int, Direction, bytes]] = []
        self._count = 0
        self._ready = threading.Event()
        self._closing = threading.Event()
        self.up: Direction | None = None
        self.down: Direction | None = None
        self._thread = threading.Thread(target=self._run, args=(pid, near, far), daemon=True)
        self._thread.start()
        assert self._ready.wait(10) and self.up and self.down, "the cable could not be laid"

    def close(self) -> None:
        self._closing.set()
        self._thread.join(10)
        for direction in (self.up, self.down):
            if direction is not None:
                direction.source.close()

    def _run(self, pid: int, near: str, far: str) -> None:
        enter_network(pid)
        first, second = _opened(near), _opened(far)
        self.up, self.down = Direction(first, second), Direction(second, first)
        self._ready.set()
        sources = {first: self.up, second: self.down}
        while not self._closing.is_set():
            wait_s = min(0.2, self._frames[0][0] - time.monotonic()) if self._frames else 0.2
            for source in select.select(list(sources), [], [], max(0.0, wait_s))[0]:
                self._take(sources[source])
            self._deliver()

    def _take(self, way: Direction) -> None:
        frame, told = way.source.recvfrom(LONGEST)
        now, quality = time.monotonic(), self._quality
        wire_s = 8 * len(frame) / quality.bits_per_s
        waits = way.free_at - now > quality.queue * 8 * 1_500 / quality.bits_per_s
        if told[2] == OUTGOING or waits or self._chance.random() < quality.loss:
            way.lost += told[2] != OUTGOING
            return
        way.free_at = max(now, way.free_at) + wire_s
        delay_s = quality.delay_s + self._chance.uniform(-quality.jitter_s, quality.jitter_s)
        self._count += 1
        heapq.heappush(self._frames, (way.free_at + delay_s, self._count, way, frame))

    def _deliver(self) -> None:
        while self._frames and self._frames[0][0] <= time.monotonic():
            _, _, way, frame = heapq.heappop(self._frames)
            way.target.send(frame)
            way.carried += len(frame)


def whole_frames(pid: int, interface: str) -> None:
    """That interface sends frames as they go over a wire: of 1,500 bytes, with checksums."""

    def told() -> None:
        enter_network(pid)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for command in OFFLOADS.values():
                value = create_string_buffer(struct.pack("II", command, 0))
                name = interface.encode()
                fcntl.ioctl(control, SIOCETHTOOL, struct.pack("16sP", name, addressof(value)))

    thread = threading.Thread(target=told)
    thread.start()
    thread.join()


def _opened(interface: str) -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    opened.bind((interface, 0))
    return opened
