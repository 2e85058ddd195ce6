"""Configuration, and where it is read from."""

from .endpoint import Endpoint, parse_endpoint
from .file import ConfigFile
from .model import (
    AuthType,
    AzureBlobStorageConfig,
    Config,
    DataConfig,
    GCSConfig,
    GenericPersistenceConfig,
    PlatformConfig,
    S3Config,
    SecretsConfig,
    StatsConfig,
)
from .switches import pickles_allowed
from .urls import scheme_of, without_query

__all__ = [
    "AuthType",
    "AzureBlobStorageConfig",
    "Config",
    "ConfigFile",
    "DataConfig",
    "Endpoint",
    "GCSConfig",
    "GenericPersistenceConfig",
    "PlatformConfig",
    "S3Config",
    "SecretsConfig",
    "StatsConfig",
    "parse_endpoint",
    "pickles_allowed",
    "scheme_of",
    "without_query",
]
