"""A transport and its event loop: one loop at a time, any kind of loop, and no library that is not used."""

from __future__ import annotations

import asyncio

import pytest

from flyteasync import Config, FlyteRemote
from flyteasync.errors import FlyteInvalidInputException, FlyteWrongLoop
from flyteasync.transport import TransportName, TransportOptions, make_transport
from tests.support.scripts import run
from tests.transport.conftest import Connect

PATH = "/flyteidl.service.AdminService/GetVersion"


async def test_a_transport_of_another_loop_says_what_to_do(connect: Connect, endpoint: str) -> None:
    transport = connect(endpoint)
    await transport.unary(PATH, b"", timeout=5, metadata=())

    def elsewhere() -> None:
        asyncio.run(transport.unary(PATH, b"", timeout=5, metadata=()))

    with pytest.raises(FlyteWrongLoop, match="another event loop: make one FlyteRemote a loop"):
        await asyncio.to_thread(elsewhere)
    await transport.unary(PATH, b"", timeout=5, metadata=())


async def test_a_remote_of_another_loop_says_what_to_do(transport_name: TransportName, endpoint: str) -> None:
    async with FlyteRemote(Config.for_endpoint(endpoint, insecure=True), transport=transport_name) as remote:
        await remote.ping()

        def elsewhere() -> None:
            asyncio.run(remote.ping())

        with pytest.raises(FlyteWrongLoop, match="make one remote a loop"):
            await asyncio.to_thread(elsewhere)
        await remote.ping()


def test_a_remote_whose_loop_is_closed_goes_on_in_the_next(transport_name: TransportName, endpoint: str) -> None:
    script = """
        remote = make()
        for _ in range(3):
            asyncio.run(ask(remote))
    """
    run(script, endpoint, transport_name)


def test_a_remote_in_each_of_two_loops_at_a_time(transport_name: TransportName, endpoint: str) -> None:
    script = """
        import threading

        failures = []

        async def main():
            async with make() as remote:
                for _ in range(20):
                    await ask(remote)

        def thread():
            try:
                asyncio.run(main())
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=thread) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert not failures, failures
    """
    run(script, endpoint, transport_name)


def test_uvloop_serves_as_well(transport_name: TransportName, endpoint: str) -> None:
    pytest.importorskip("uvloop")
    script = """
        import uvloop

        async def main():
            async with make() as remote:
                await asyncio.gather(*(ask(remote) for _ in range(20)))

        uvloop.run(main())
    """
    run(script, endpoint, transport_name)


@pytest.mark.parametrize(("chosen", "other"), [("grpc_aio", "grpclib"), ("grpclib", "grpc")])
def test_the_library_of_the_other_transport_is_not_imported(chosen: TransportName, other: str, endpoint: str) -> None:
    script = f"""
        async def main():
            async with make() as remote:
                await ask(remote)

        asyncio.run(main())
        assert {other!r} not in sys.modules
    """
    run(script, endpoint, chosen)


def test_a_transport_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(FlyteInvalidInputException, match="'carrier pigeon'; choose 'grpc_aio' or 'grpclib'"):
        FlyteRemote(Config.for_endpoint("localhost:1"), transport="carrier pigeon")  # pyright: ignore
    with pytest.raises(FlyteInvalidInputException, match="carrier pigeon"):
        make_transport("carrier pigeon", TransportOptions("localhost:1"))  # pyright: ignore


def test_a_loop_that_ends_after_cancelled_calls_leaves_the_others_alone(
    transport_name: TransportName, endpoint: str
) -> None:
    script = """
        import threading

        failures = []

        def note(loop, context):
            failures.append(context)

        async def cut_off():
            asyncio.get_running_loop().set_exception_handler(note)
            remote = make()
            calls = [asyncio.create_task(ask(remote)) for _ in range(3)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            calls[0].cancel()
            await remote.aclose(grace=0)
            await asyncio.gather(*calls, return_exceptions=True)

        other = asyncio.new_event_loop()
        other.set_exception_handler(note)
        thread = threading.Thread(target=other.run_forever)
        thread.start()
        remote = make()
        asyncio.run_coroutine_threadsafe(ask(remote), other).result(5)
        for _ in range(50):
            asyncio.run(cut_off())
        asyncio.run_coroutine_threadsafe(ask(remote), other).result(5)
        asyncio.run_coroutine_threadsafe(remote.aclose(), other).result(5)
        other.call_soon_threadsafe(other.stop)
        thread.join()
        other.close()
        assert not failures, failures
    """
    run(script, endpoint, transport_name)
