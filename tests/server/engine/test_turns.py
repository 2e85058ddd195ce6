"""Tasks of the engine begin in turns, so that calls are answered in between."""

import asyncio
import itertools

from flyteasync.server.engine.turns import Turns


async def test_so_many_begin_in_one_turn_of_the_loop_and_the_others_in_order_later() -> None:
    turns, begun = Turns(2), list[int]()

    async def begin(number: int) -> None:
        await turns.take()
        begun.append(number)

    tasks = [asyncio.create_task(begin(number)) for number in range(7)]
    seen: list[int] = []
    while len(begun) < 7:
        await asyncio.sleep(0)
        seen.append(len(begun))
    assert begun == list(range(7))
    assert max(after - before for before, after in itertools.pairwise(seen)) <= 2
    await asyncio.gather(*tasks)


async def test_one_that_is_cancelled_takes_nobody_s_turn() -> None:
    turns = Turns(1)
    tasks = [asyncio.create_task(turns.take()) for _ in range(4)]
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, False, False, False]
    for task in tasks[1:3]:
        task.cancel()
    await asyncio.wait(tasks, timeout=5)
    assert [task.cancelled() for task in tasks] == [False, True, True, False]


async def test_one_that_comes_later_does_not_overtake() -> None:
    turns, order = Turns(1), list[str]()

    async def begin(name: str) -> None:
        await turns.take()
        order.append(name)

    tasks = [asyncio.create_task(begin(name)) for name in "ab"]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(begin("c")))
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
