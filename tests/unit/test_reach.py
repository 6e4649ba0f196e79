"""A PC counts as reachable until no knock was answered for a while; a short cut is not noticed."""

import asyncio
import socket

import pytest

from cluster.reach import Door, Reach, knock

PC1, PC2 = Door("10.77.0.1", 6380), Door("10.77.0.2", 6380)
DOORS = {"pc1": PC1, "pc2": PC2}


class Lan:
    """Answers for those that are plugged in; a knock at the others takes `patience_s`."""

    def __init__(self) -> None:
        self.pulled: set[Door] = set()
        self.patience_s = 0.01
        self.knocks = 0

    async def knock(self, door: Door) -> bool:
        self.knocks += 1
        if door in self.pulled:
            await asyncio.sleep(self.patience_s)
            return False
        return True


async def looks(reach: Reach, until_s: float) -> list[set[str]]:
    """What it says, asked all the time for so long."""
    clock = asyncio.get_running_loop().time
    ends_at, said = clock() + until_s, []
    while clock() < ends_at:
        said.append(reach.within(DOORS))
        await asyncio.sleep(0.002)
    return said


async def test_who_answers_is_there_and_who_was_not_asked_yet_too() -> None:
    reach = Reach(Lan().knock, silent_s=0.05)
    assert all(said == {"pc1", "pc2"} for said in await looks(reach, 0.1))


async def test_who_is_silent_for_long_is_gone_and_is_back_at_its_first_answer() -> None:
    lan = Lan()
    reach = Reach(lan.knock, silent_s=0.1)
    lan.pulled.add(PC2)
    said = await looks(reach, 0.3)
    assert said[0] == {"pc1", "pc2"} and said[-1] == {"pc1"}
    lan.pulled.clear()
    assert (await looks(reach, 0.1))[-1] == {"pc1", "pc2"}


async def test_a_cut_shorter_than_the_silence_is_not_noticed() -> None:
    """Ten of them in a row neither: each answer ends the silence."""
    lan = Lan()
    reach = Reach(lan.knock, silent_s=0.2)
    for _ in range(10):
        lan.pulled.add(PC2)
        assert all(said == {"pc1", "pc2"} for said in await looks(reach, 0.05))
        lan.pulled.clear()
        assert all(said == {"pc1", "pc2"} for said in await looks(reach, 0.05))


async def test_a_slow_answer_counts_from_when_it_was_asked_for() -> None:
    """Over a bad cable knocks are lost and slow; one that is answered in the end ends the silence,
    and one that was lost before it says nothing any more."""
    answers: list[asyncio.Future[bool]] = []

    async def knock(_: Door) -> bool:
        answers.append(asyncio.get_running_loop().create_future())
        return await answers[-1]

    reach = Reach(knock, silent_s=0.5, again_s=0.2)
    ends_at = asyncio.get_running_loop().time() + 0.7
    while asyncio.get_running_loop().time() < ends_at:
        assert reach.within({"pc2": PC2}) == {"pc2"}, "nothing has failed yet"
        await asyncio.sleep(0.01)
    assert len(answers) == 4
    answers[1].set_result(True)
    await asyncio.sleep(0)
    assert reach.within({"pc2": PC2}) == {"pc2"}
    answers[0].set_result(False)
    await asyncio.sleep(0)
    assert reach.within({"pc2": PC2}) == {"pc2"}
    answers[2].set_result(False)
    answers[3].set_result(False)
    await asyncio.sleep(0.15)
    assert reach.within({"pc2": PC2}) == {"pc2"}
    await asyncio.sleep(0.3)
    assert reach.within({"pc2": PC2}) == set(), "half a second after the first that failed since"


async def test_there_is_one_knock_a_second_at_a_door() -> None:
    lan = Lan()
    lan.pulled, lan.patience_s = {PC1, PC2}, 60
    reach = Reach(lan.knock, silent_s=0.05)
    await looks(reach, 0.1)
    assert lan.knocks == 2
    assert reach.within({}) == set()


async def test_a_pc_that_ray_does_not_name_any_more_is_forgotten() -> None:
    lan = Lan()
    reach = Reach(lan.knock, silent_s=0.05)
    lan.pulled.add(PC2)
    await looks(reach, 0.1)
    assert reach.within({"pc1": PC1}) == {"pc1"}
    assert reach.within(DOORS) == {"pc1", "pc2"}, "it starts without a past"


@pytest.mark.parametrize("listens", [True, False])
async def test_a_knock_is_answered_where_somebody_listens(listens: bool) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if listens:
            door.listen()
        assert await knock(Door("127.0.0.1", door.getsockname()[1])) is listens
