import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyteasync.config import Endpoint, parse_endpoint
from flyteasync.errors import FlyteInvalidInputException


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("localhost:30080", "localhost:30080"),
        ("dns:///flyte.example.com:8089", "flyte.example.com:8089"),
        ("dns:///flyte.example.com", "flyte.example.com:443"),
        ("flyte.example.com", "flyte.example.com:443"),
        ("https://flyte.example.com", "flyte.example.com:443"),
        ("https://flyte.example.com/", "flyte.example.com:443"),
        ("https://flyte.example.com:8443", "flyte.example.com:8443"),
        ("HTTPS://flyte.example.com", "flyte.example.com:443"),
        (" localhost:30080\n", "localhost:30080"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]:8089", "[::1]:8089"),
        ("[2001:db8::1]", "[2001:db8::1]:443"),
        ("flyteadmin.flyte.svc.cluster.local:81", "flyteadmin.flyte.svc.cluster.local:81"),
    ],
)
def test_an_endpoint_is_read(text: str, target: str):
    endpoint = parse_endpoint(text)
    assert endpoint.target == target
    assert not endpoint.insecure


def test_plain_text_is_spoken_where_it_is_asked_for():
    assert parse_endpoint("localhost", insecure=True) == Endpoint("localhost", 80, insecure=True)
    assert parse_endpoint("dns:///localhost:81", insecure=True) == Endpoint("localhost", 81, insecure=True)


def test_http_means_plain_text():
    assert parse_endpoint("http://localhost:30080") == Endpoint("localhost", 30080, insecure=True)
    assert parse_endpoint("http://localhost") == Endpoint("localhost", 80, insecure=True)


def test_https_and_plain_text_contradict_each_other():
    with pytest.raises(FlyteInvalidInputException, match="contradict"):
        parse_endpoint("https://localhost", insecure=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        ":8089",
        "localhost:",
        "localhost:http",
        "localhost:0",
        "localhost:65536",
        "localhost:1234567",
        "localhost:-1",
        "localhost:\u0663",
        "::1",
        "[::1",
        "grpc://localhost:1",
        "unix:///tmp/flyte.sock",
        "https://localhost/console",
        "https://",
        "dns://8.8.8.8/localhost:1",
        "two words:1",
        "localhost:1,localhost:2",
    ],
)
def test_what_is_no_endpoint_is_refused_with_the_forms_that_are(text: str):
    with pytest.raises(FlyteInvalidInputException, match=r"is not one of: host, host:port, dns:///host:port"):
        parse_endpoint(text)


def test_a_password_in_an_endpoint_is_not_repeated():
    with pytest.raises(FlyteInvalidInputException) as caught:
        parse_endpoint("https://user:hunter2@flyte.example.com")
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str):
    try:
        endpoint = parse_endpoint(text)
    except FlyteInvalidInputException:
        return
    assert parse_endpoint(endpoint.target, insecure=endpoint.insecure) == endpoint
