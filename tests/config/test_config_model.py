import dataclasses
import logging
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flyteasync.config import (
    AuthType,
    AzureBlobStorageConfig,
    Config,
    ConfigFile,
    DataConfig,
    PlatformConfig,
    S3Config,
    SecretsConfig,
    StatsConfig,
)
from flyteasync.errors import FlyteInvalidInputException

YAML = """
admin:
  endpoint: dns:///flyte.example.com:81
  insecure: true
  insecureSkipVerify: false
  caCertFilePath: /etc/ca.pem
  authType: Pkce
  clientId: 12345
  scopes: [all, offline]
  command: [get-token, "--now"]
  audience: flyte
console:
  endpoint: https://console.example.com
storage:
  connection:
    endpoint: http://minio:9000
    access-key: minio
    secret-key: hunter2
logger:
  level: 1
"""

INI = """
[platform]
url = dns:///flyte.example.com:81
insecure = yes
console_endpoint = https://console.example.com

[credentials]
client_id = me
client_secret = 100%%hunter2
scopes = all,offline
auth_mode = basic

[aws]
retries = 7
backoff_seconds = 2
"""


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_without_any_source_there_are_defaults():
    assert Config.auto() == Config()
    assert Config().platform.endpoint == "localhost:30080"


def test_defaults_can_be_read_off_the_classes():
    # As wrappers do that fill in what a user left out; a slot's descriptor would be true.
    assert PlatformConfig.insecure is False
    assert PlatformConfig.auth_mode is AuthType.STANDARD
    assert S3Config.retries == 3
    assert S3Config.backoff == timedelta(seconds=5)
    assert Config.platform == PlatformConfig()
    assert Config.local_sandbox_path is None
    assert getattr(PlatformConfig, "scopes", []) == []


def test_a_yaml_file_is_read(tmp_path: Path):
    config = Config.auto(write(tmp_path / "config.yaml", YAML))
    assert config.platform == PlatformConfig(
        endpoint="flyte.example.com:81",
        insecure=True,
        ca_cert_file_path="/etc/ca.pem",
        console_endpoint="https://console.example.com",
        auth_mode="Pkce",
        client_id="12345",
        scopes=["all", "offline"],
        command=["get-token", "--now"],
        audience="flyte",
    )
    assert config.data_config.s3 == S3Config(
        endpoint="http://minio:9000", access_key_id="minio", secret_access_key="hunter2"
    )


def test_an_ini_file_is_read(tmp_path: Path):
    config = Config.auto(write(tmp_path / "flytekit.cfg", INI))
    assert config.platform == PlatformConfig(
        endpoint="flyte.example.com:81",
        insecure=True,
        console_endpoint="https://console.example.com",
        client_id="me",
        client_credentials_secret="100%hunter2",
        scopes=["all", "offline"],
        auth_mode="basic",
    )
    assert config.data_config.s3 == S3Config(retries=7, backoff=timedelta(seconds=2))


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_PLATFORM_URL", "dns:///other:1")
    monkeypatch.setenv("FLYTE_PLATFORM_INSECURE", "False")
    monkeypatch.setenv("FLYTE_CREDENTIALS_SCOPES", "one,two")
    monkeypatch.setenv("FLYTE_AWS_RETRIES", "0")
    for name, text in (("c.yaml", YAML), ("c.cfg", INI)):
        config = Config.auto(write(tmp_path / name, text))
        assert config.platform.endpoint == "other:1"
        assert config.platform.insecure is False
        assert config.platform.scopes == ["one", "two"]
        assert config.platform.console_endpoint == "https://console.example.com"
        assert config.data_config.s3.retries == 0


def test_an_empty_variable_gives_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_PLATFORM_URL", "")
    assert Config.auto(write(tmp_path / "c.yaml", YAML)).platform.endpoint == "localhost:30080"


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("YES", True), ("on", True), ("0", False), ("No", False), ("off ", False)]
)
def test_truth_has_many_spellings(text: str, value: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_PLATFORM_INSECURE", text)
    assert PlatformConfig.auto().insecure is value


def test_files_are_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def found() -> str:
        return Config.auto().platform.endpoint

    write(tmp_path / ".flyte" / "config.yaml", "admin: {endpoint: home-yaml}")
    assert found() == "home-yaml"
    write(tmp_path / ".flyte" / "config", "[platform]\nurl = home-ini")
    assert found() == "home-ini"
    write(tmp_path / "flytekit.config", "[platform]\nurl = here")
    assert found() == "here"
    monkeypatch.setenv("FLYTECTL_CONFIG", write(tmp_path / "named.yaml", "admin: {endpoint: named}"))
    assert found() == "named"
    monkeypatch.setenv("_FLYTECTL_CONFIG_PYFLYTE_OVERRIDE", write(tmp_path / "o.yaml", "admin: {endpoint: override}"))
    assert found() == "override"
    assert Config.auto(write(tmp_path / "given.yaml", "admin: {endpoint: given}")).platform.endpoint == "given"


def test_a_file_that_changed_is_read_again(tmp_path: Path):
    path = write(tmp_path / ".flyte" / "config.yaml", "admin: {endpoint: old}")
    assert Config.auto().platform.endpoint == "old"
    write(Path(path), "admin: {endpoint: new}")
    assert Config.auto().platform.endpoint == "new"


def test_a_variable_that_names_no_file_is_warned_about_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("FLYTECTL_CONFIG", str(tmp_path / "gone.yaml"))
    write(tmp_path / ".flyte" / "config.yaml", "admin: {endpoint: home}")
    with caplog.at_level(logging.WARNING):
        assert Config.auto().platform.endpoint == "home"
    assert [record.getMessage() for record in caplog.records] == [
        f"FLYTECTL_CONFIG names {tmp_path / 'gone.yaml'}, which does not exist: looking elsewhere"
    ]


def test_a_path_object_and_a_file_that_was_read_will_do(tmp_path: Path):
    path = Path(write(tmp_path / "c.yaml", YAML))
    assert Config.auto(path) == Config.auto(str(path))
    assert PlatformConfig.auto(ConfigFile(path, yaml={"admin": {"endpoint": "x"}})).endpoint == "x"


@pytest.mark.parametrize("text", ["", "# nothing\n", "admin:\n", "admin: {}\n", "logger: {level: 1}\n"])
def test_a_yaml_file_without_settings_gives_defaults(text: str, tmp_path: Path):
    assert Config.auto(write(tmp_path / "c.yaml", text)) == Config()


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("c.yaml", "admin: [", "is not valid YAML at line 1"),
        ("c.yaml", "- admin", "must hold a mapping of sections"),
        ("c.yaml", "admin: hunter2", ": admin: expected a mapping"),
        ("c.yaml", "admin: {insecure: banana}", ": admin.insecure: expected true or false, got 'banana'"),
        ("c.yaml", "admin: {endpoint: [a]}", ": admin.endpoint: expected a text, got ['a']"),
        ("c.yaml", "admin: {endpoint: true}", ": admin.endpoint: expected a text, got True"),
        ("c.yaml", "admin: {scopes: {a: b}}", "admin.scopes: expected a list of texts, or one text with commas, got"),
        ("c.cfg", "[platform]\ninsecure = banana", ": [platform] insecure: expected true or false, got 'banana'"),
        ("c.cfg", "[aws]\nretries = many", ": [aws] retries: expected a whole number, got 'many'"),
        ("c.cfg", "[aws]\nbackoff_seconds = -1", ": [aws] backoff_seconds: expected a whole number, got '-1'"),
        ("c.cfg", "url = x", "is not valid INI: line 1 stands before the first section"),
        ("c.cfg", "[platform]\nhunter2\n", "is not valid INI: line 2 is neither a section nor an option"),
        ("c.cfg", "[a]\nb = 1\nb = 2", "is not valid INI: option 'b' of section 'a' occurs twice"),
        ("c.cfg", "[a]\n[a]", "is not valid INI: section 'a' occurs twice"),
        ("c.cfg", "[platform]\nurl = %(hunter2", ": [platform] url: a % must be written as %%"),
        ("c.cfg", "[internal]", "must not have a section 'internal'"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_setting(name: str, text: str, error: str, tmp_path: Path):
    path = write(tmp_path / name, text)
    with pytest.raises(FlyteInvalidInputException) as caught:
        Config.auto(path)
    assert path in str(caught.value)
    assert error in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["gone.yaml", "gone.cfg"])
def test_a_file_that_is_named_must_be_there(name: str, tmp_path: Path):
    with pytest.raises(FlyteInvalidInputException, match=rf"{name} does not exist"):
        Config.auto(tmp_path / name)


def test_a_file_must_be_text(tmp_path: Path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FlyteInvalidInputException, match="cannot be read"):
        Config.auto(tmp_path / "c.yaml")
    with pytest.raises(FlyteInvalidInputException, match="cannot be read"):
        Config.auto(tmp_path)


def test_a_bad_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_PLATFORM_INSECURE", "banana")
    with pytest.raises(FlyteInvalidInputException) as caught:
        Config.auto()
    assert str(caught.value) == "environment variable FLYTE_PLATFORM_INSECURE: expected true or false, got 'banana'"


def test_a_secret_of_the_wrong_type_is_not_shown(tmp_path: Path):
    with pytest.raises(FlyteInvalidInputException, match=r"secret-key: expected a text, got list$"):
        Config.auto(write(tmp_path / "c.yaml", "storage: {connection: {secret-key: [hunter2]}}"))


def test_the_client_secret_may_stand_in_a_file_of_its_own(tmp_path: Path):
    secret = write(tmp_path / "secret", "hunter2\n")
    platform = PlatformConfig.auto(write(tmp_path / "c.yaml", f"admin: {{clientSecretLocation: {secret}}}"))
    assert platform.client_credentials_secret == "hunter2"
    assert platform.auth_mode == "ClientSecret"


def test_the_client_secret_may_stand_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secret = write(tmp_path / "secret", "from the file")
    text = f"admin: {{clientSecretEnvVar: MY_SECRET, clientSecretLocation: {secret}, authType: Pkce}}"
    path = write(tmp_path / "c.yaml", text)
    assert PlatformConfig.auto(path).client_credentials_secret == "from the file"
    monkeypatch.setenv("MY_SECRET", "hunter2")
    platform = PlatformConfig.auto(path)
    assert platform.client_credentials_secret == "hunter2"
    assert platform.auth_mode == "ClientSecret"


def test_a_plain_client_secret_leaves_the_flow_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FLYTE_CREDENTIALS_CLIENT_SECRET", "hunter2")
    assert PlatformConfig.auto().client_credentials_secret == "hunter2"
    assert PlatformConfig.auto().auth_mode is AuthType.STANDARD


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path):
    path = write(tmp_path / "c.yaml", "admin: {clientSecretLocation: /no/such/file}")
    with pytest.raises(FlyteInvalidInputException, match=r"^the client secret's file /no/such/file cannot be read$"):
        PlatformConfig.auto(path)


def test_secrets_are_in_no_representation(tmp_path: Path):
    config = Config(
        platform=PlatformConfig(
            client_credentials_secret="hunter2",
            command=["echo", "hunter2"],
            proxy_command=["hunter2"],
            http_proxy_url="http://me:hunter2@proxy",
        ),
        data_config=DataConfig(
            s3=S3Config(access_key_id="hunter2", secret_access_key="hunter2"),
            azure=AzureBlobStorageConfig(account_key="hunter2", client_secret="hunter2"),
        ),
    )
    assert "hunter2" not in repr(config)
    assert "hunter2" not in repr(ConfigFile(tmp_path, yaml={"admin": {"clientSecret": "hunter2"}}))


def test_an_endpoint_alone_leaves_the_file_out(tmp_path: Path):
    write(tmp_path / ".flyte" / "config.yaml", YAML)
    config = Config.for_endpoint("flyte.example.com:81", insecure=True)
    assert config.platform == PlatformConfig(endpoint="flyte.example.com:81", insecure=True)
    assert config.data_config.s3.access_key_id == "minio"


def test_an_endpoint_with_a_file_replaces_the_files(tmp_path: Path):
    path = write(tmp_path / "c.yaml", YAML)
    config = Config.for_endpoint("other:1", config_file=path, data_config=DataConfig())
    assert config.platform == dataclasses.replace(PlatformConfig.auto(path), endpoint="other:1", insecure=False)
    assert config.data_config == DataConfig()


def test_a_sandbox_has_its_well_known_ports():
    config = Config.for_sandbox()
    assert (config.platform.endpoint, config.platform.insecure) == ("localhost:30080", True)
    assert config.data_config.s3.endpoint == "http://localhost:30002"


def test_parts_can_be_replaced():
    config = Config().with_params(platform=PlatformConfig(endpoint="x"), local_sandbox_path="/tmp/x")
    assert config == Config(platform=PlatformConfig(endpoint="x"), local_sandbox_path="/tmp/x")
    assert config.with_params() == config


def test_parts_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().platform.endpoint = "x"  # pyright: ignore[reportAttributeAccessIssue]


def test_parts_can_be_given_by_position():
    platform, secrets, stats = PlatformConfig("x"), SecretsConfig(), StatsConfig()
    assert Config(platform, secrets, stats).platform.endpoint == "x"


def test_yaml_is_imported_only_where_there_is_a_file(tmp_path: Path):
    code = "import sys; from flyteasync.config import Config; Config.auto(); sys.exit('yaml' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment(tmp_path), cwd=tmp_path)


def _environment(home: Path) -> dict[str, Any]:
    return {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])}
