"""The same environment and files give the same configuration as flytekit's reader."""

import dataclasses
import enum
import warnings
from pathlib import Path
from typing import Any

import pytest

from flyteasync import config

pytest.importorskip("flytekit.configuration")
pytestmark = [pytest.mark.flytekit, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from flytekit import configuration
    from flytekit.configuration.file import get_config_file

YAML = """
admin:
  endpoint: dns:///flyte.example.com:81
  insecure: true
  insecureSkipVerify: true
  caCertFilePath: /etc/ca.pem
  authType: DeviceFlow
  clientId: me
  scopes: [all, offline]
  command: [get-token, "--now"]
  proxyCommand: [get-proxy-token]
  audience: flyte
  httpProxyURL: http://proxy:3128
console: {endpoint: https://console.example.com}
storage: {connection: {endpoint: http://minio:9000, access-key: minio, secret-key: s3cret, addressing-style: path}}
"""
INI = """
[platform]
url = dns:///flyte.example.com:81
insecure = on
insecure_skip_verify = 0
ca_cert_file_path = /etc/ca.pem
http_proxy_url = http://proxy:3128
[credentials]
client_id = me
client_secret = 100%%
scopes = all, offline
command = get-token,--now
auth_mode = basic
[aws]
enable_debug = true
retries = 7
backoff_seconds = 2
[azure]
storage_account_name = account
[gcp]
gsutil_parallelism = yes
[persistence]
attach_execution_metadata = false
[secrets]
env_prefix = _X_
host = stats
port = 1
disable_tags = true
[sdk]
local_sandbox = /tmp/sandbox
"""
ENVIRONMENT = {
    "FLYTE_PLATFORM_URL": "dns:///env:1",
    "FLYTE_PLATFORM_INSECURE": "false",
    "FLYTE_PLATFORM_CONSOLE_ENDPOINT": "https://c",
    "FLYTE_CREDENTIALS_CLIENT_ID": "env",
    "FLYTE_CREDENTIALS_CLIENT_SECRET": "shh",
    "FLYTE_CREDENTIALS_SCOPES": "one,two",
    "FLYTE_CREDENTIALS_AUTH_MODE": "Pkce",
    "FLYTE_AWS_ENDPOINT": "http://s3",
    "FLYTE_AWS_RETRIES": "9",
    "FLYTE_AWS_BACKOFF_SECONDS": "8",
    "FLYTE_SDK_LOCAL_SANDBOX": "/tmp/env",
}


def plain(part: Any) -> Any:
    """The settings as a dict; a temporary directory of flytekit's is what None means here."""
    settings = dataclasses.asdict(part)
    if "/flyte" in str(settings.get("local_sandbox_path")):
        settings["local_sandbox_path"] = None
    return {name: value.value if isinstance(value, enum.Enum) else value for name, value in _flat(settings).items()}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    get_config_file.cache_clear()
    return tmp_path


@pytest.mark.parametrize("environment", [{}, ENVIRONMENT], ids=["no variables", "variables"])
@pytest.mark.parametrize(("name", "text"), [("c.yaml", YAML), ("c.cfg", INI), ("c.yml", ""), ("c.ini", "")])
def test_a_file_is_read_the_same(
    name: str, text: str, environment: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    path = home / name
    path.write_text(text)
    assert plain(config.Config.auto(str(path))) == plain(configuration.Config.auto(str(path)))
    mine, theirs = (kind.for_endpoint("x:1", True, config_file=str(path)) for kind in both())
    assert plain(mine) == plain(theirs)


@pytest.mark.parametrize("places", range(16))
def test_the_same_file_is_found(places: int, home: Path, monkeypatch: pytest.MonkeyPatch):
    (home / ".flyte").mkdir()
    files = [home / "named.yaml", home / "flytekit.config", home / ".flyte" / "config", home / ".flyte" / "config.yaml"]
    monkeypatch.setenv("FLYTECTL_CONFIG", str(files[0]))
    for index, path in enumerate(files):
        if places & 1 << index:
            yaml = path.suffix == ".yaml"
            path.write_text(f"admin: {{endpoint: e{index}}}" if yaml else f"[platform]\nurl = e{index}")
    mine, theirs = (kind.auto() for kind in both())
    assert plain(mine) == plain(theirs)


@pytest.mark.parametrize(
    "text",
    [
        "admin: {clientSecretLocation: secret}",
        "admin: {clientSecretEnvVar: MY_SECRET}",
        "admin: {clientSecretEnvVar: NO_SECRET, clientSecretLocation: secret, authType: Pkce}",
        "admin: {clientSecretEnvVar: MY_SECRET, clientSecretLocation: secret}",
        "admin: {clientSecretEnvVar: NO_SECRET, authType: Pkce}",
    ],
)
def test_the_client_secret_is_found_in_the_same_place(text: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_SECRET", "from the variable")
    (home / "secret").write_text("from the file\n")
    (home / "c.yaml").write_text(text)
    mine, theirs = (kind.auto("c.yaml") for kind in both())
    assert plain(mine) == plain(theirs)


def test_constructors_give_the_same():
    for make in (lambda kind: kind(), lambda kind: kind.for_sandbox(), lambda kind: kind.for_endpoint("x:1")):
        mine, theirs = (make(kind) for kind in both())
        assert plain(mine) == plain(theirs)


def test_the_ways_to_authenticate_have_the_same_names():
    assert {kind.name: kind.value for kind in config.AuthType} == {
        kind.name: kind.value for kind in configuration.AuthType
    }


@pytest.mark.parametrize(
    "name", ["Config", "PlatformConfig", "SecretsConfig", "StatsConfig", "DataConfig", "S3Config", "GCSConfig"]
)
def test_the_fields_have_the_same_names_in_the_same_order(name: str):
    mine, theirs = (
        [field.name for field in dataclasses.fields(getattr(module, name))] for module in (config, configuration)
    )
    assert mine == theirs


def both() -> tuple[Any, Any]:
    return config.Config, configuration.Config
