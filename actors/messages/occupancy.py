"""How busy the PCs are at one moment, and who waits for them."""

from actors.messages.message import Message


class PcOccupancy(Message):
    """`busy` of `slots` generations run; `models` sit there, by their agents."""

    name: str
    busy: int
    slots: int
    models: tuple[str, ...] = ()
    breaker_open: bool = False


class Occupancy(Message):
    """`queued`: calls that wait for a slot, by model, 0 for a model that is there and not waited
    for; `pcs`: every PC that is there, by name."""

    queued: dict[str, int] = {}
    pcs: tuple[PcOccupancy, ...] = ()
