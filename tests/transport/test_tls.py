"""Whom the transports trust."""

from __future__ import annotations

import asyncio
import datetime
import logging
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from flyteasync import CallOptions, Config, FlyteRemote, PlatformConfig
from flyteasync.errors import FlyteInvalidInputException, FlyteSystemUnavailableException, Status
from flyteasync.idl import admin
from flyteasync.transport import Transport, TransportError, TransportName
from flyteasync.transport.tls import ROOTS_VARIABLES, name_in
from tests.support.http2 import Peer
from tests.transport.conftest import Connect

PATH = "/flyteidl.service.AdminService/GetVersion"
NAME = "127.0.0.1"
LONG_AGO = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def roots(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with the authority's certificate."""
    path = tmp_path_factory.mktemp("tls") / "roots.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(autouse=True)
def no_roots_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ROOTS_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def serving(certificate: trustme.LeafCert, protocols: list[str] | None = None) -> ssl.SSLContext:
    """TLS of a server that shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    context.set_alpn_protocols(["h2"] if protocols is None else protocols)
    return context


async def call(peer: Peer, transport: Transport, timeout: float = 10.0) -> bytes:
    """A call that the peer answers, if it arrives."""
    task = asyncio.create_task(transport.unary(PATH, b"request", timeout=timeout, metadata=()))
    arrival = asyncio.create_task(peer.request())
    await asyncio.wait([task, arrival], return_when=asyncio.FIRST_COMPLETED)
    if arrival.done():
        arrival.result().reply(b"reply")
    arrival.cancel()
    await asyncio.wait([arrival])
    return await task


async def refusal(peer: Peer, transport: Transport) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await call(peer, transport)
    assert caught.value.status is Status.UNAVAILABLE
    return caught.value


async def test_certificates_of_the_file_are_trusted(authority: trustme.CA, roots: str, connect: Connect) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        assert await call(peer, connect(peer.endpoint, insecure=False, ca_cert_file=roots)) == b"reply"


@pytest.mark.parametrize("variable", ROOTS_VARIABLES)
async def test_a_file_named_by_the_environment_is_trusted(
    authority: trustme.CA, roots: str, connect: Connect, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, roots)
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        assert await call(peer, connect(peer.endpoint, insecure=False)) == b"reply"


async def test_an_unknown_authority_is_refused(authority: trustme.CA, connect: Connect) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        error = await refusal(peer, connect(peer.endpoint, insecure=False))
        assert "certificate" in error.text.lower()


async def test_a_certificate_of_another_name_is_refused(authority: trustme.CA, roots: str, connect: Connect) -> None:
    async with Peer(tls=serving(authority.issue_cert("elsewhere.example"))) as peer:
        await refusal(peer, connect(peer.endpoint, insecure=False, ca_cert_file=roots))


async def test_plain_text_to_a_tls_server_and_tls_to_a_plain_text_one_are_unavailable(
    authority: trustme.CA, roots: str, connect: Connect
) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        await refusal(peer, connect(peer.endpoint))
    async with Peer(silent=True) as peer:
        transport = connect(peer.endpoint, insecure=False, ca_cert_file=roots)
        task = asyncio.create_task(transport.unary(PATH, b"", timeout=10, metadata=()))
        (await peer.arrivals.get()).transport.close()
        with pytest.raises(TransportError) as caught:
            await task
        assert caught.value.status is Status.UNAVAILABLE


async def test_a_server_without_http2_is_unavailable(authority: trustme.CA, roots: str, connect: Connect) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME), ["http/1.1"]), silent=True) as peer:
        await refusal(peer, connect(peer.endpoint, insecure=False, ca_cert_file=roots))


async def test_a_file_without_certificates_is_named(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("nothing of the kind")
    with pytest.raises(FlyteInvalidInputException, match=r"empty\.pem"):
        connect("localhost:1", insecure=False, ca_cert_file=str(path))


# insecure_skip_verify ...


@pytest.mark.parametrize("name", [NAME, "elsewhere.example", "*.elsewhere.example", "10.0.0.1"])
async def test_whatever_is_shown_is_trusted_if_asked_for(
    authority: trustme.CA, connect: Connect, transport_name: TransportName, name: str
) -> None:
    async with Peer(tls=serving(authority.issue_cert(name))) as peer:
        transport = connect(peer.endpoint, insecure=False, insecure_skip_verify=True)
        assert await call(peer, transport) == b"reply"
        authority_sent = peer.beginnings.get_nowait().headers[":authority"]
        # gRPC insists on the name that it verified.
        assert authority_sent == (peer.endpoint if transport_name == "grpclib" else name.replace("*", "any"))


async def test_blind_trust_is_warned_about_once(
    authority: trustme.CA, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        transport = connect(peer.endpoint, insecure=False, insecure_skip_verify=True)
        for _ in range(3):
            await call(peer, transport)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "insecure_skip_verify" in warnings[0]
    assert peer.endpoint in warnings[0]


async def test_plain_text_needs_no_warning(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    async with Peer() as peer:
        assert await call(peer, connect(peer.endpoint, insecure_skip_verify=True)) == b"reply"
    assert not caplog.records


async def test_a_server_with_a_new_certificate_is_trusted_again(authority: trustme.CA, connect: Connect) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        transport = connect(peer.endpoint, insecure=False, insecure_skip_verify=True)
        assert await call(peer, transport) == b"reply"
    port = int(peer.endpoint.rpartition(":")[2])
    async with Peer(port=port, tls=serving(trustme.CA().issue_cert("other.example"))) as again, asyncio.timeout(10):
        while True:
            try:
                assert await call(again, transport) == b"reply"
                break
            except TransportError:
                await asyncio.sleep(0.02)


async def test_a_certificate_that_grpc_cannot_be_made_to_trust_is_explained(
    authority: trustme.CA, connect: Connect, transport_name: TransportName
) -> None:
    async with Peer(tls=serving(authority.issue_cert(NAME, not_after=LONG_AGO))) as peer:
        transport = connect(peer.endpoint, insecure=False, insecure_skip_verify=True)
        if transport_name == "grpclib":
            assert await call(peer, transport) == b"reply"
        else:
            error = await refusal(peer, transport)
            assert "expired" in error.text
            assert "transport='grpclib'" in error.text


async def test_looking_at_the_certificate_is_part_of_the_calls_time(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"127.0.0.1:{deaf.getsockname()[1]}"
        transport = connect(endpoint, insecure=False, insecure_skip_verify=True)
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(TransportError) as caught:
            await transport.unary(PATH, b"", timeout=0.1, metadata=())
        assert loop.time() - began < 1
        assert caught.value.status is Status.DEADLINE_EXCEEDED
        await transport.aclose(0)


async def test_a_server_that_is_not_there_has_no_certificate_to_trust(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = f"127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(TransportError) as caught:
        await connect(endpoint, insecure=False, insecure_skip_verify=True).unary(PATH, b"", timeout=5, metadata=())
    assert caught.value.status is Status.UNAVAILABLE
    assert endpoint in caught.value.text


@pytest.mark.parametrize(
    ("certificate", "name"),
    [
        ({"subjectAltName": (("DNS", "a.example"),)}, "a.example"),
        ({"subjectAltName": (("DNS", "*.a.example"),)}, "any.a.example"),
        ({"subjectAltName": (("IP Address", "10.0.0.1"),)}, "10.0.0.1"),
        ({"subject": ((("organizationName", "o"),), (("commonName", "old.example"),))}, "old.example"),
        ({}, None),
    ],
)
def test_a_name_is_found_in_a_certificate(
    certificate: dict[str, tuple[tuple[str, str], ...]], name: str | None
) -> None:
    assert name_in(certificate) == name


async def test_a_remote_passes_its_settings_on(
    authority: trustme.CA, roots: str, transport_name: TransportName
) -> None:
    once = CallOptions(timeout=0.5)
    async with Peer(tls=serving(authority.issue_cert(NAME))) as peer:
        for trusting in ({"ca_cert_file_path": roots}, {"insecure_skip_verify": True}):
            config = Config(platform=PlatformConfig(endpoint=peer.endpoint, **trusting))
            async with FlyteRemote(config, transport=transport_name) as remote:
                asking = asyncio.create_task(remote.admin.get_version(admin.GetVersionRequest()))
                (await peer.request()).reply(b"")
                assert await asking == admin.GetVersionResponse()
        config = Config(platform=PlatformConfig(endpoint=peer.endpoint))
        async with FlyteRemote(config, transport=transport_name, options=once) as remote:
            with pytest.raises(FlyteSystemUnavailableException):
                await remote.admin.get_version(admin.GetVersionRequest())
