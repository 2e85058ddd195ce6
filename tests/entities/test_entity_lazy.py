"""Lazy entities are fetched once, by whoever awaits first, and never by a property."""

import asyncio
import copy

import pytest

from flyteasync.entities import Entity, FlyteTask, LazyEntity
from flyteasync.errors import FlyteAssertion, FlyteEntityNotExistException, FlyteUsageError
from flyteasync.idl import core
from tests.entities.build import task_id, template


class Server:
    """Answers when it is let, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.answer = asyncio.Event()
        self.answer.set()

    async def fetch(self) -> FlyteTask:
        self.asked += 1
        await self.answer.wait()
        if self.error is not None:
            raise self.error
        return FlyteTask.promote_from_model(template())


async def test_nothing_is_fetched_before_it_is_awaited() -> None:
    server = Server()
    lazy = LazyEntity("flows.inc", server.fetch)
    assert lazy.name == "flows.inc"
    assert repr(lazy) == "<LazyEntity flows.inc (not fetched yet)>"
    assert lazy._repr_html_() == "&lt;LazyEntity flows.inc (not fetched yet)&gt;"
    assert not lazy.entity_fetched()
    assert lazy.construct_node_metadata().name == "inc"
    for read in (lambda: lazy.id, lambda: lazy.interface, lazy.to_flyte_idl, lazy.to_flytekit, lazy.verbose_string):
        with pytest.raises(FlyteAssertion, match=r"flows.inc is not fetched yet: `await` the lazy entity first"):
            read()
    with pytest.raises(AttributeError, match="has no 'type', or not before it was awaited"):
        _ = lazy.type
    assert server.asked == 0


async def test_entity_is_fetched_once() -> None:
    server = Server()
    lazy = LazyEntity("flows.inc", server.fetch)
    first = await lazy
    assert await lazy.entity() is first
    assert lazy.entity_fetched()
    assert server.asked == 1


async def test_everything_of_the_entity_is_there_afterwards() -> None:
    lazy = LazyEntity("flows.inc", Server().fetch)
    task = await lazy
    assert isinstance(lazy, Entity)
    assert lazy.id == task_id("flows.inc")
    assert lazy.interface == task.interface
    assert lazy.python_interface == task.python_interface
    assert lazy.to_flyte_idl() == task.to_flyte_idl()
    assert lazy.type == "python-task"
    assert lazy.entity_type_text == "Task"
    assert lazy.resource_type is core.ResourceType.TASK
    assert lazy.verbose_string() == task.verbose_string()
    assert lazy._repr_html_() == task._repr_html_()
    assert repr(lazy) == "<LazyEntity flows.inc (fetched)>"


async def test_all_who_wait_at_once_share_one_fetch() -> None:
    server = Server()
    server.answer.clear()
    lazy = LazyEntity("flows.inc", server.fetch)
    waiting = [asyncio.ensure_future(lazy.entity()) for _ in range(10)]
    await asyncio.sleep(0)
    server.answer.set()
    entities = await asyncio.gather(*waiting)
    assert server.asked == 1
    assert all(entity is entities[0] for entity in entities)


async def test_one_who_gives_up_leaves_the_others_their_entity() -> None:
    server = Server()
    server.answer.clear()
    lazy = LazyEntity("flows.inc", server.fetch)
    first, second = (asyncio.ensure_future(lazy.entity()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    server.answer.set()
    assert (await second).name == "flows.inc"
    assert first.cancelled()


async def test_failed_fetch_is_tried_again_by_the_next() -> None:
    server = Server()
    server.error = FlyteEntityNotExistException("no such task")
    lazy = LazyEntity("flows.inc", server.fetch)
    with pytest.raises(FlyteEntityNotExistException):
        await lazy
    assert not lazy.entity_fetched()
    server.error = None
    assert (await lazy).name == "flows.inc"


def test_getter_is_needed() -> None:
    with pytest.raises(FlyteUsageError, match="needs a getter"):
        LazyEntity("x", None)  # pyright: ignore[reportArgumentType]


def test_lazy_entities_are_equal_only_to_themselves() -> None:
    server_less = [LazyEntity("x", fetch_nothing) for _ in range(2)]
    assert server_less[0] == server_less[0]
    assert server_less[0] != server_less[1]
    assert len(set(server_less)) == 2
    assert copy.copy(server_less[0]).name == "x"


def test_call_of_a_lazy_entity_names_it() -> None:
    with pytest.raises(FlyteAssertion, match=r"x \(not fetched yet\) cannot be run on this machine"):
        LazyEntity("x", fetch_nothing)(a=1)


async def fetch_nothing() -> FlyteTask:
    raise FlyteEntityNotExistException
