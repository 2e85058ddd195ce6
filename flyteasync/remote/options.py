"""How an execution is launched, beside what and with which inputs: checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast

from ..codec import Message, decode, encode
from ..errors import FlyteInvalidInputException, FlyteTypeException
from ..idl import admin, core
from ..interop import MessageLike, message_of

M = TypeVar("M", bound=Message)

SPECS_KEPT = 256
"""Specs that are remembered, so that launching the same again need not make them again."""

MOST_PARALLEL = 2**31 - 1
MOST_LABELS = 16
_LONGEST_PREFIX, _LONGEST_WORD = 253, 63
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class OptionsLike(Protocol):
    """What `options=` takes: this package's `Options`, or flytekit's."""

    @property
    def labels(self) -> Any:
        """Kubernetes labels."""

    @property
    def annotations(self) -> Any:
        """Kubernetes annotations."""

    @property
    def raw_output_data_config(self) -> Any:
        """Where files and frames are written."""

    @property
    def security_context(self) -> Any:
        """As whom the execution runs."""

    @property
    def max_parallelism(self) -> int | None:
        """Task nodes that run at a time."""

    @property
    def notifications(self) -> Any:
        """Whom to tell of the end."""

    @property
    def disable_notifications(self) -> bool | None:
        """Tell nobody."""


@dataclass(frozen=True)
class Options:
    """Settings of an execution, with flytekit's names.

    Messages may be generated ones, flyteidl's, flytekit's models, or bytes.

    Attributes:
        labels: Kubernetes labels of the execution, and what it can be found by.
        annotations: Kubernetes annotations of the execution.
        raw_output_data_config: where files and frames are written: a URL prefix such as `s3://bucket/folder`, or a
            `RawOutputDataConfig`.
        security_context: as whom the execution runs: a `SecurityContext`.
        max_parallelism: task nodes that run at a time; zero and None are the launch plan's or the server's own limit.
        notifications: whom to tell of the end, instead of whom the launch plan names: `Notification`s.
        disable_notifications: tell nobody, whatever is in `notifications` and in the launch plan.
        overwrite_cache: run cached tasks anyway, and replace what is cached; `execute`'s own argument goes first.
        auth_role: as whom the execution runs, of old; `security_context` has taken its place.
    """

    labels: Mapping[str, str] | MessageLike | None = None
    annotations: Mapping[str, str] | MessageLike | None = None
    raw_output_data_config: str | MessageLike | None = None
    security_context: MessageLike | None = None
    max_parallelism: int | None = None
    notifications: Sequence[MessageLike] | None = None
    disable_notifications: bool | None = None
    overwrite_cache: bool | None = None
    auth_role: MessageLike | None = None

    @classmethod
    def default_from(cls, k8s_service_account: str | None = None, raw_data_prefix: str | None = None) -> Options:
        """Options with a service account and a place for files, as flytekit's `Options.default_from`.

        Args:
            k8s_service_account: as which Kubernetes service account the execution runs.
            raw_data_prefix: where files and frames are written.
        """
        run_as = core.Identity(k8s_service_account=k8s_service_account) if k8s_service_account else None
        return cls(
            security_context=core.SecurityContext(run_as=run_as) if run_as is not None else None,
            raw_output_data_config=raw_data_prefix or None,
        )


@dataclass(frozen=True)
class LaunchSettings:
    """The settings of a launch as messages, checked; `settings_of` makes them."""

    overwrite_cache: bool = False
    interruptible: bool | None = None
    envs: admin.Envs | None = field(default=None, repr=False)
    tags: tuple[str, ...] = ()
    cluster_assignment: admin.ClusterAssignment | None = None
    execution_cluster_label: admin.ExecutionClusterLabel | None = None
    labels: admin.Labels | None = None
    annotations: admin.Annotations | None = None
    raw_output_data_config: admin.RawOutputDataConfig | None = None
    security_context: core.SecurityContext | None = None
    max_parallelism: int = 0
    notifications: admin.NotificationList | None = None
    disable_all: bool | None = None
    auth_role: admin.AuthRole | None = None

    def spec(self, launched: core.Identifier) -> admin.ExecutionSpec:
        """What to send for the launch of an entity."""
        if self is _UNCHANGED:
            key = launched.project, launched.domain, launched.name, launched.version
            return decode(admin.ExecutionSpec, _plain_spec(launched.resource_type, key))
        return _spec(self, launched)


_UNCHANGED = LaunchSettings()


def _spec(settings: LaunchSettings, launched: core.Identifier) -> admin.ExecutionSpec:
    return admin.ExecutionSpec(
        launch_plan=launched,
        metadata=admin.ExecutionMetadata(mode=admin.ExecutionMetadataExecutionMode.MANUAL),
        overwrite_cache=settings.overwrite_cache,
        interruptible=settings.interruptible,
        envs=settings.envs,
        tags=list(settings.tags),
        cluster_assignment=settings.cluster_assignment,
        execution_cluster_label=settings.execution_cluster_label,
        labels=settings.labels,
        annotations=settings.annotations,
        raw_output_data_config=settings.raw_output_data_config,
        security_context=settings.security_context,
        max_parallelism=settings.max_parallelism,
        notifications=settings.notifications,
        disable_all=settings.disable_all,
        auth_role=settings.auth_role,
    )


@lru_cache(maxsize=SPECS_KEPT)
def _plain_spec(kind: core.ResourceType, key: tuple[str, str, str, str]) -> bytes:
    """The wire form of a spec without settings: it is the same for every launch of an entity."""
    project, domain, name, version = key
    launched = core.Identifier(resource_type=kind, project=project, domain=domain, name=name, version=version)
    return encode(_spec(_UNCHANGED, launched))


def settings_of(
    options: OptionsLike | None,
    *,
    overwrite_cache: bool | None = None,
    interruptible: bool | None = None,
    envs: Mapping[str, str] | None = None,
    tags: Sequence[str] | None = None,
    cluster_pool: str | None = None,
    execution_cluster_label: str | None = None,
) -> LaunchSettings:
    """The settings of a launch, checked; arguments as in `FlyteRemote.execute`.

    Raises:
        FlyteTypeException: an option of the wrong type.
        FlyteInvalidInputException: a value that Flyte or Kubernetes does not take.
    """
    given = (overwrite_cache, interruptible, envs, tags, cluster_pool, execution_cluster_label)
    if options is None and all(value is None for value in given):
        return _UNCHANGED
    wanted = Options() if options is None else options
    _check_options(wanted)
    overwrite = overwrite_cache if overwrite_cache is not None else getattr(wanted, "overwrite_cache", None)
    role = getattr(wanted, "auth_role", None)
    disable = _flag("disable_notifications", wanted.disable_notifications)
    labels = _kubernetes(admin.Labels, "labels", wanted.labels)
    pool, cluster = _text("cluster_pool", cluster_pool), _text("execution_cluster_label", execution_cluster_label)
    return LaunchSettings(
        overwrite_cache=bool(_flag("overwrite_cache", overwrite)),
        interruptible=_flag("interruptible", interruptible),
        envs=_envs(envs),
        tags=_tags(tags, labels),
        cluster_assignment=admin.ClusterAssignment(cluster_pool_name=pool) if pool else None,
        execution_cluster_label=admin.ExecutionClusterLabel(value=cluster) if cluster else None,
        labels=labels,
        annotations=_kubernetes(admin.Annotations, "annotations", wanted.annotations),
        raw_output_data_config=_raw_output(wanted.raw_output_data_config),
        security_context=_message(core.SecurityContext, "security_context", wanted.security_context),
        max_parallelism=_parallelism(wanted.max_parallelism),
        notifications=None if disable else _notifications(wanted.notifications),
        disable_all=True if disable else None,
        auth_role=_message(admin.AuthRole, "auth_role", role),
    )


def _check_options(options: object) -> None:
    """Refuse what has not the attributes that every version of flytekit's Options has."""
    if not all(hasattr(options, name) for name in ("labels", "annotations", "security_context", "notifications")):
        raise FlyteTypeException(f"options must be Options, of flyteasync or flytekit, got {type(options).__name__}")


def _wrong(name: str, expected: str, value: object, where: str = "") -> FlyteTypeException:
    """What was got is told by its type: values, of environment variables above all, may be secret."""
    return FlyteTypeException(f"{name} must be {expected}, got {type(value).__name__}{where}")


def _flag(name: str, value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, "True or False", value)
    return value


def _text(name: str, value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value or ""


def _texts(name: str, value: object) -> dict[str, str]:
    """A mapping of texts; one that holds anything else is refused."""
    if not isinstance(value, Mapping):
        raise _wrong(name, "a mapping of texts", value)
    pairs = dict(cast("Mapping[object, object]", value))
    for key, text in pairs.items():
        if not isinstance(key, str):
            raise _wrong(name, "a mapping of texts", key, " as a key")
        if not isinstance(text, str):
            raise _wrong(name, "a mapping of texts", text, f" as the value of {key!r}")
    return cast("dict[str, str]", pairs)


def _envs(envs: object) -> admin.Envs | None:
    if envs is None:
        return None
    pairs = _texts("envs", envs)
    for key in pairs:
        if not key or "=" in key or "\0" in key:
            raise FlyteInvalidInputException(f"envs: {key!r} cannot be the name of an environment variable")
    # None at all is nothing sent: an empty message would take the place of the launch plan's.
    return (
        admin.Envs(values=[core.KeyValuePair(key=key, value=value) for key, value in pairs.items()]) if pairs else None
    )


def _tags(tags: object, labels: admin.Labels | None) -> tuple[str, ...]:
    if tags is None:
        return ()
    # One text in the place of a list of texts would go unnoticed, as a list of letters.
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise _wrong("tags", "a list of texts", tags)
    texts: list[str] = []
    for tag in cast("Sequence[object]", tags):
        if not isinstance(tag, str):
            raise _wrong("tags", "a list of texts", tag, " in it")
        texts.append(tag)
    # flyteadmin keeps tags and labels in one table, and answers that the execution exists already if one is repeated.
    bare = {key for key, value in ({} if labels is None else labels.values).items() if not value}
    for index, tag in enumerate(texts):
        if not tag or tag in texts[:index] or tag in bare:
            why = "there twice" if tag in texts[:index] else "a label without a value, too" if tag else "empty"
            raise FlyteInvalidInputException(f"tags: the tag {tag!r} is {why}")
    return tuple(texts)


def _parallelism(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("max_parallelism", "a whole number", value)
    if not 0 <= value <= MOST_PARALLEL:
        raise FlyteInvalidInputException(f"max_parallelism must be from 0 to {MOST_PARALLEL}, got {value}")
    return value


def _raw_output(value: object) -> admin.RawOutputDataConfig | None:
    if isinstance(value, str):
        value = admin.RawOutputDataConfig(output_location_prefix=value)
    config = _message(admin.RawOutputDataConfig, "raw_output_data_config", value)
    if config is not None and not config.output_location_prefix:
        raise FlyteInvalidInputException("raw_output_data_config must name a place, such as s3://bucket/folder")
    return config


def _notifications(value: object) -> admin.NotificationList | None:
    if value is None:
        return None
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise _wrong("notifications", "a list of Notification messages", value)
    items = [_given(admin.Notification, "notifications", item) for item in cast("Sequence[Any]", value)]
    return admin.NotificationList(notifications=items) if items else None


def _message(cls: type[M], name: str, value: Any) -> M | None:
    return None if value is None else _given(cls, name, value)


def _given(cls: type[M], name: str, value: Any) -> M:
    """The message that a caller gave, as one of our own: what is launched must not change with the caller's."""
    try:
        message = message_of(cls, value)
    except FlyteTypeException as error:
        raise FlyteTypeException(f"{name}: {error}") from None
    return decode(cls, encode(message))


def _kubernetes(cls: type[M], name: str, value: Any) -> M | None:
    """Labels or annotations whose keys, and of labels whose values, Kubernetes takes."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = cast("Any", cls)(values=_texts(name, cast("object", value)))
    message = _given(cls, name, value)
    pairs = cast("dict[str, str]", cast("Any", message).values)
    if cls is admin.Labels and len(pairs) > MOST_LABELS:
        raise FlyteInvalidInputException(f"{name}: Flyte takes at most {MOST_LABELS}, got {len(pairs)}")
    for key, text in pairs.items():
        prefix, slash, word = key.rpartition("/")
        if not _is_word(word) or (slash and not (_PREFIX.fullmatch(prefix) and len(prefix) <= _LONGEST_PREFIX)):
            raise FlyteInvalidInputException(
                f"{name}: Kubernetes does not take the key {key!r}: it must be at most {_LONGEST_WORD} letters, "
                "digits, hyphens, underscores and dots, with a letter or digit at both ends, and may have a DNS name "
                "and a slash before them"
            )
        if cls is admin.Labels and text and not _is_word(text):
            raise FlyteInvalidInputException(
                f"{name}: Kubernetes does not take the value of {key!r}: it must be at most {_LONGEST_WORD} "
                "letters, digits, hyphens, underscores and dots, with a letter or digit at both ends, or empty"
            )
    return message if pairs else None


def _is_word(text: str) -> bool:
    return len(text) <= _LONGEST_WORD and _WORD.fullmatch(text) is not None
