"""What becomes of a remote when its process forks; each test in processes of its own, with a time limit."""

from __future__ import annotations

import pytest

from flyteasync.transport import TransportName
from tests.support.scripts import run


def test_over_grpclib_a_child_connects_anew_and_the_parent_goes_on(endpoint: str) -> None:
    script = """
        remote = make()

        async def main():
            first = await ask(remote)
            assert in_child(lambda: asyncio.run(ask(remote)))
            assert await ask(remote) == first
            assert in_child(lambda: asyncio.run(ask(remote)))
            await remote.aclose()

        asyncio.run(main())
    """
    run(script, endpoint, "grpclib")


def test_over_grpclib_a_grandchild_connects_anew(endpoint: str) -> None:
    script = """
        remote = make()

        def child():
            asyncio.run(ask(remote))
            assert in_child(lambda: asyncio.run(ask(remote)))

        async def main():
            await ask(remote)
            assert in_child(child)
            await remote.aclose()

        asyncio.run(main())
    """
    run(script, endpoint, "grpclib")


def test_a_child_that_closes_what_it_inherited_does_the_parent_no_harm(endpoint: str) -> None:
    script = """
        remote = make()

        async def main():
            await ask(remote)
            assert in_child(lambda: asyncio.run(remote.aclose()))
            await asyncio.sleep(0.05)
            await ask(remote)
            await remote.aclose()

        asyncio.run(main())
    """
    run(script, endpoint, "grpclib")


def test_workers_of_a_pool_that_forks_use_the_remote_of_their_parent(endpoint: str) -> None:
    script = """
        import multiprocessing

        remote = make()

        async def once():
            return await ask(remote)

        def work(_):
            return asyncio.run(once())

        asyncio.run(once())
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert len(pool.map(work, range(4))) == 4
        asyncio.run(once())
    """
    run(script, endpoint, "grpclib")


@pytest.mark.parametrize("remote_of_the_child", ["remote", "make()"])
def test_over_grpc_aio_a_child_is_told_what_to_do(endpoint: str, remote_of_the_child: str) -> None:
    script = f"""
        remote = make()

        def child():
            try:
                asyncio.run(ask({remote_of_the_child}))
            except FlyteUsageError as error:
                assert "transport='grpclib'" in str(error) and "spawn" in str(error), error
            else:
                raise AssertionError("the child should not have got an answer")

        async def main():
            await ask(remote)
            assert in_child(child)
            await ask(remote)
            await remote.aclose()

        asyncio.run(main())
    """
    run(script, endpoint, "grpc_aio")


def test_a_child_may_use_grpclib_where_its_parent_used_grpc_aio(endpoint: str) -> None:
    script = """
        async def main():
            async with make() as remote:
                await ask(remote)
                assert in_child(lambda: asyncio.run(ask(make("grpclib"))))

        asyncio.run(main())
    """
    run(script, endpoint, "grpc_aio")


@pytest.mark.parametrize("transport", ["grpc_aio", "grpclib"])
def test_a_remote_that_was_not_used_before_the_fork_works_after_it(endpoint: str, transport: TransportName) -> None:
    script = """
        remote = make()
        assert in_child(lambda: asyncio.run(ask(remote)))
        assert in_child(lambda: asyncio.run(ask(remote)))
        asyncio.run(ask(remote))
    """
    run(script, endpoint, transport)


def test_a_transport_after_a_fork_in_its_running_loop_says_what_to_do(endpoint: str) -> None:
    """The child goes on in the very coroutine that forked, where only the process tells that anything happened."""
    script = """
        from flyteasync.transport import TransportOptions, make_transport

        PATH = "/flyteidl.service.AdminService/GetVersion"

        async def main():
            transport = make_transport(TRANSPORT, TransportOptions(ENDPOINT, insecure=True))
            await transport.unary(PATH, b"", timeout=5, metadata=())
            pid = os.fork()
            if pid == 0:
                try:
                    await transport.unary(PATH, b"", timeout=5, metadata=())
                except FlyteUsageError:
                    os._exit(0)
                os._exit(1)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            await transport.unary(PATH, b"", timeout=5, metadata=())
            await transport.aclose(0)

        asyncio.run(main())
    """
    run(script, endpoint, "grpc_aio")
