"""The configuration of a remote: what it connects to, how it authenticates, and where data is.

Names, fields and defaults are flytekit's. Defaults are plain class attributes, since callers read them off the class.
What may be a secret is left out of representations.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..errors import FlyteInvalidInputException
from .entry import Entry, count, flag, read_all, seconds, text, texts
from .file import ConfigFile, ConfigSource, load


class AuthType(enum.Enum):
    """How a client proves who it is; the second half are flytectl's names for the same."""

    STANDARD = "standard"
    BASIC = "basic"
    CLIENT_CREDENTIALS = "client_credentials"
    EXTERNAL_PROCESS = "external_process"
    CLIENTSECRET = "ClientSecret"
    PKCE = "Pkce"
    EXTERNALCOMMAND = "ExternalCommand"
    DEVICEFLOW = "DeviceFlow"


_PLATFORM = {
    "endpoint": Entry("platform", "url", "admin.endpoint", lambda raw: text(raw).replace("dns:///", "")),
    "insecure": Entry("platform", "insecure", "admin.insecure", flag),
    "insecure_skip_verify": Entry("platform", "insecure_skip_verify", "admin.insecureSkipVerify", flag),
    "ca_cert_file_path": Entry("platform", "ca_cert_file_path", "admin.caCertFilePath", text),
    "console_endpoint": Entry("platform", "console_endpoint", "console.endpoint", text),
    "http_proxy_url": Entry("platform", "http_proxy_url", "admin.httpProxyURL", text, secret=True),
    "command": Entry("credentials", "command", "admin.command", texts, secret=True),
    "proxy_command": Entry("credentials", "proxy_command", "admin.proxyCommand", texts, secret=True),
    "client_id": Entry("credentials", "client_id", "admin.clientId", text),
    "client_credentials_secret": Entry("credentials", "client_secret", None, text, secret=True),
    "scopes": Entry("credentials", "scopes", "admin.scopes", texts),
    "auth_mode": Entry("credentials", "auth_mode", "admin.authType", text),
    "audience": Entry("credentials", "audience", "admin.audience", text),
}
_SECRET_FILE = Entry("credentials", "client_secret_location", "admin.clientSecretLocation", text)
_SECRET_VARIABLE = Entry("credentials", "client_secret_env_var", "admin.clientSecretEnvVar", text)


@dataclass(frozen=True)
class PlatformConfig:
    """How to connect to flyteadmin and authenticate.

    Attributes:
        endpoint: where flyteadmin listens, in one of the forms that `parse_endpoint` reads.
        insecure: plain text instead of TLS.
        insecure_skip_verify: TLS without verifying the server's certificate.
        ca_cert_file_path: a PEM file of certificates to trust instead of the usual ones.
        console_endpoint: where the console is, if not at the endpoint.
        command: a command that prints a token.
        proxy_command: a command that prints a token for a proxy in front of Flyte.
        client_id: the id of the OAuth client.
        client_credentials_secret: its secret.
        scopes: the OAuth scopes to ask for.
        auth_mode: the flow; a member of `AuthType` or its value.
        audience: the OAuth audience to ask for.
        rpc_retries: how often a failed call is repeated.
        http_proxy_url: the proxy for OAuth requests.
    """

    endpoint: str = "localhost:30080"
    insecure: bool = False
    insecure_skip_verify: bool = False
    ca_cert_file_path: str | None = None
    console_endpoint: str | None = None
    command: list[str] | None = field(default=None, repr=False)
    proxy_command: list[str] | None = field(default=None, repr=False)
    client_id: str | None = None
    client_credentials_secret: str | None = field(default=None, repr=False)
    scopes: list[str] = field(default_factory=list[str])
    auth_mode: AuthType | str = AuthType.STANDARD
    audience: str | None = None
    rpc_retries: int = 3
    http_proxy_url: str | None = field(default=None, repr=False)

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> PlatformConfig:
        """Read the environment and a configuration file; `Config.auto` says which, and what comes first.

        Raises:
            FlyteInvalidInputException: a file, a setting in it, or an environment variable is not what it must be.
        """
        file = load(config_file)
        values = read_all(_PLATFORM, file)
        if (secret := _mounted_secret(file)) is not None:
            values |= {"client_credentials_secret": secret, "auth_mode": AuthType.CLIENTSECRET.value}
        return cls(**values)

    @classmethod
    def for_endpoint(cls, endpoint: str, insecure: bool = False) -> PlatformConfig:
        """The configuration of an endpoint, with defaults for the rest; reads nothing."""
        return cls(endpoint=endpoint, insecure=insecure)


def _mounted_secret(file: ConfigFile) -> str | None:
    """The client secret that stands in another file or variable, which the configuration names; the variable wins."""
    secret = None
    if (location := _SECRET_FILE.read(file)) is not None:
        try:
            secret = Path(location).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FlyteInvalidInputException(f"the client secret's file {location} cannot be read") from error
        secret = secret.strip() if secret.endswith("\n") else secret
    if (variable := _SECRET_VARIABLE.read(file)) is not None:
        secret = os.environ.get(variable) or secret
    return secret or None


_SECRETS = {
    "env_prefix": Entry("secrets", "env_prefix", None, text),
    "default_dir": Entry("secrets", "default_dir", None, text),
    "file_prefix": Entry("secrets", "file_prefix", None, text),
}


@dataclass(frozen=True)
class SecretsConfig:
    """Where tasks find secrets; a remote client has no use for it, and carries it for callers of flytekit."""

    env_prefix: str = "_FSEC_"
    default_dir: str = "/etc/secrets"
    file_prefix: str = ""

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> SecretsConfig:
        """Read the environment and a configuration file."""
        return cls(**read_all(_SECRETS, load(config_file)))


_STATS = {  # in the section of the secrets, where flytekit has them
    "host": Entry("secrets", "host", None, text),
    "port": Entry("secrets", "port", None, count),
    "disabled": Entry("secrets", "disabled", None, flag),
    "disabled_tags": Entry("secrets", "disable_tags", None, flag),
}


@dataclass(frozen=True)
class StatsConfig:
    """Where tasks send metrics; a remote client has no use for it, and carries it for callers of flytekit."""

    host: str = "localhost"
    port: int = 8125
    disabled: bool = False
    disabled_tags: bool = False

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> StatsConfig:
        """Read the environment and a configuration file."""
        return cls(**read_all(_STATS, load(config_file)))


_S3 = {
    "enable_debug": Entry("aws", "enable_debug", None, flag),
    "endpoint": Entry("aws", "endpoint", "storage.connection.endpoint", text),
    "retries": Entry("aws", "retries", None, count),
    "backoff": Entry("aws", "backoff_seconds", None, seconds),
    "access_key_id": Entry("aws", "access_key_id", "storage.connection.access-key", text, secret=True),
    "secret_access_key": Entry("aws", "secret_access_key", "storage.connection.secret-key", text, secret=True),
    "adressing_style": Entry("aws", "addressing_style", "storage.connection.addressing-style", text),
}


@dataclass(frozen=True)
class S3Config:
    """Access to S3, or to what speaks its protocol.

    Attributes:
        enable_debug: log requests.
        endpoint: the URL, if it is not Amazon's.
        retries: how often a failed request is repeated.
        backoff: the pause between repetitions.
        access_key_id: the access key.
        secret_access_key: its secret.
        adressing_style: `path`, `virtual` or `auto`; spelled as in flytekit.
    """

    enable_debug: bool = False
    endpoint: str | None = None
    retries: int = 3
    backoff: timedelta = timedelta(seconds=5)
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    adressing_style: str | None = None

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> S3Config:
        """Read the environment and a configuration file."""
        return cls(**read_all(_S3, load(config_file)))


@dataclass(frozen=True)
class GCSConfig:
    """Access to Google Cloud Storage.

    Attributes:
        gsutil_parallelism: whether flytekit copies in parallel.
    """

    gsutil_parallelism: bool = False

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> GCSConfig:
        """Read the environment and a configuration file."""
        return cls(
            **read_all({"gsutil_parallelism": Entry("gcp", "gsutil_parallelism", None, flag)}, load(config_file))
        )


_AZURE = {
    "account_name": Entry("azure", "storage_account_name", None, text),
    "account_key": Entry("azure", "storage_account_key", None, text, secret=True),
    "tenant_id": Entry("azure", "tenant_id", None, text),
    "client_id": Entry("azure", "client_id", None, text),
    "client_secret": Entry("azure", "client_secret", None, text, secret=True),
}


@dataclass(frozen=True)
class AzureBlobStorageConfig:
    """Access to Azure Blob Storage: the account and its key, or a service principal."""

    account_name: str | None = None
    account_key: str | None = field(default=None, repr=False)
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> AzureBlobStorageConfig:
        """Read the environment and a configuration file."""
        return cls(**read_all(_AZURE, load(config_file)))


_GENERIC = {"attach_execution_metadata": Entry("persistence", "attach_execution_metadata", None, flag)}


@dataclass(frozen=True)
class GenericPersistenceConfig:
    """What holds for every kind of storage.

    Attributes:
        attach_execution_metadata: whether tasks mark what they write with their execution.
    """

    attach_execution_metadata: bool = True

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> GenericPersistenceConfig:
        """Read the environment and a configuration file."""
        return cls(**read_all(_GENERIC, load(config_file)))


@dataclass(frozen=True)
class DataConfig:
    """Access to object stores."""

    s3: S3Config = S3Config()
    gcs: GCSConfig = GCSConfig()
    azure: AzureBlobStorageConfig = AzureBlobStorageConfig()
    generic: GenericPersistenceConfig = GenericPersistenceConfig()

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> DataConfig:
        """Read the environment and a configuration file."""
        file = load(config_file)
        return cls(
            s3=S3Config.auto(file),
            gcs=GCSConfig.auto(file),
            azure=AzureBlobStorageConfig.auto(file),
            generic=GenericPersistenceConfig.auto(file),
        )


_LOCAL_SANDBOX = Entry("sdk", "local_sandbox", None, text)


@dataclass(frozen=True)
class Config:
    """Everything that a remote is configured with.

    Attributes:
        platform: how to connect to flyteadmin and authenticate.
        secrets: where tasks find secrets.
        stats: where tasks send metrics.
        data_config: access to object stores.
        local_sandbox_path: the directory for local files; None is a temporary one, made when it is needed.
    """

    platform: PlatformConfig = PlatformConfig()
    secrets: SecretsConfig = SecretsConfig()
    stats: StatsConfig = StatsConfig()
    data_config: DataConfig = DataConfig()
    local_sandbox_path: str | None = None

    @classmethod
    def auto(cls, config_file: ConfigSource = None) -> Config:
        """Read the environment and a configuration file.

        A setting is taken from its environment variable, else from the file, else it has its default. An empty
        variable gives the default.

        Args:
            config_file: the file's path, in flytectl's YAML or flytekit's INI. None looks for one: the path in the
                variable `FLYTECTL_CONFIG`, `flytekit.config` in the working directory, `~/.flyte/config`,
                `~/.flyte/config.yaml`; having none is fine.

        Raises:
            FlyteInvalidInputException: the file that was named is not there, or a file, a setting in it, or an
                environment variable is not what it must be. Names the file and the setting.
        """
        file = load(config_file)
        values: dict[str, Any] = read_all({"local_sandbox_path": _LOCAL_SANDBOX}, file)
        return cls(
            platform=PlatformConfig.auto(file),
            secrets=SecretsConfig.auto(file),
            stats=StatsConfig.auto(file),
            data_config=DataConfig.auto(file),
            **values,
        )

    @classmethod
    def for_endpoint(
        cls,
        endpoint: str,
        insecure: bool = False,
        data_config: DataConfig | None = None,
        config_file: ConfigSource = None,
    ) -> Config:
        """The configuration of an endpoint.

        Args:
            endpoint: where flyteadmin listens.
            insecure: plain text instead of TLS.
            data_config: access to object stores; None is read as `auto` does.
            config_file: a file to take the other platform settings from. Without one they are defaults, even if there
                is a file in the usual places.

        Raises:
            FlyteInvalidInputException: as `auto` raises it.
        """
        config = cls.auto(config_file)
        if config_file is None:
            platform = PlatformConfig.for_endpoint(endpoint, insecure)
        else:
            platform = replace(config.platform, endpoint=endpoint, insecure=insecure)
        return config.with_params(platform=platform, data_config=data_config)

    @classmethod
    def for_sandbox(cls) -> Config:
        """The configuration of a sandbox on this machine, as `flytectl demo start` makes it; reads nothing."""
        store = S3Config(
            endpoint="http://localhost:30002",
            access_key_id="minio",
            secret_access_key="miniostorage",  # noqa: S106 # every sandbox has it
        )
        return cls(
            platform=PlatformConfig(endpoint="localhost:30080", auth_mode=AuthType.PKCE.value, insecure=True),
            data_config=DataConfig(s3=store),
        )

    def with_params(
        self,
        platform: PlatformConfig | None = None,
        secrets: SecretsConfig | None = None,
        stats: StatsConfig | None = None,
        data_config: DataConfig | None = None,
        local_sandbox_path: str | None = None,
    ) -> Config:
        """A copy with other parts; None keeps a part."""
        return Config(
            platform=platform or self.platform,
            secrets=secrets or self.secrets,
            stats=stats or self.stats,
            data_config=data_config or self.data_config,
            local_sandbox_path=local_sandbox_path or self.local_sandbox_path,
        )
