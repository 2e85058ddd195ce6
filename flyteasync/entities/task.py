"""A registered task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

from typing_extensions import override

from ..codec import encode
from ..errors import FlyteTypeException, FlyteValueException
from ..idl import admin, core
from ..idl.google import protobuf
from ..interop import MessageLike, flytekit, message_of, optional_message_of
from .base import Entity
from .interface import TypedInterface


class FlyteTask(Entity):
    """A task as it is registered: its template, read only."""

    entity_type_text: ClassVar[str] = "Task"
    resource_type: ClassVar[core.ResourceType] = core.ResourceType.TASK

    def __init__(
        self,
        id: MessageLike,
        type: str,
        metadata: MessageLike | None,
        interface: MessageLike | None,
        custom: Mapping[str, Any] | MessageLike | None,
        container: MessageLike | None = None,
        task_type_version: int = 0,
        security_context: MessageLike | None = None,
        config: Mapping[str, str] | None = None,
        k8s_pod: MessageLike | None = None,
        sql: MessageLike | None = None,
        extended_resources: MessageLike | None = None,
        should_register: bool = False,
    ) -> None:
        """Describe a task; messages may be generated ones, flyteidl's, flytekit's models, or bytes.

        Args:
            id: project, domain, name and version.
            type: the kind of task, which decides what runs it.
            metadata: caching, retries, timeout and runtime.
            interface: the typed inputs and outputs.
            custom: what the kind of task needs besides, of what JSON can hold.
            container: what runs; at most one of this, `k8s_pod` and `sql`.
            task_type_version: the version of the kind of task.
            security_context: as whom it runs, and the secrets it needs.
            config: what plugins need, as texts.
            k8s_pod: what runs, as a pod.
            sql: what runs, as a statement.
            extended_resources: accelerators and shared memory.
            should_register: whether the task has yet to be registered before it is launched.

        Raises:
            FlyteValueException: more than one of container, k8s_pod and sql.
            FlyteTypeException: something that is not the message it should be, or custom is not what JSON can hold.
        """
        given = {"container": container, "k8s_pod": k8s_pod, "sql": sql}
        targets = [name for name, target in given.items() if target is not None]
        if len(targets) > 1:
            raise FlyteValueException(f"a task has one of container, k8s_pod and sql, got {' and '.join(targets)}")
        template = core.TaskTemplate(
            id=message_of(core.Identifier, id),
            type=type,
            metadata=optional_message_of(core.TaskMetadata, metadata),
            interface=optional_message_of(core.TypedInterface, interface),
            custom=_struct(custom),
            container=optional_message_of(core.Container, container),
            task_type_version=task_type_version,
            security_context=optional_message_of(core.SecurityContext, security_context),
            config=dict(config or {}),
            k8s_pod=optional_message_of(core.K8SPod, k8s_pod),
            sql=optional_message_of(core.Sql, sql),
            extended_resources=optional_message_of(core.ExtendedResources, extended_resources),
        )
        self._hold(template, should_register=should_register)

    @classmethod
    def promote_from_model(cls, base_model: MessageLike) -> Self:
        """The task that a template describes.

        Raises:
            FlyteTypeException: it is no `flyteidl.core.TaskTemplate`.
        """
        task = cls.__new__(cls)
        task._hold(message_of(core.TaskTemplate, base_model))
        return task

    @classmethod
    def from_flyte_idl(cls, pb2_object: MessageLike) -> Self:
        """The task that a spec describes.

        Raises:
            FlyteTypeException: it is no `flyteidl.admin.TaskSpec`.
        """
        spec = message_of(admin.TaskSpec, pb2_object)
        task = cls.__new__(cls)
        task._hold(spec.template or core.TaskTemplate(), spec.description)
        return task

    def _hold(
        self,
        template: core.TaskTemplate,
        docs: admin.DescriptionEntity | None = None,
        *,
        should_register: bool = False,
    ) -> None:
        self._template = template
        self._docs = docs
        self._should_register = should_register

    @override
    def to_flyte_idl(self) -> admin.TaskSpec:
        """The task as it would be registered."""
        return admin.TaskSpec(template=self._template, description=self._docs)

    @property
    @override
    def is_empty(self) -> bool:
        """Whether nothing in the template is set, and there is no description."""
        return self._docs is None and not encode(self._template)

    @override
    def _make_twin(self) -> Any:
        return flytekit.remote_task(self._template)

    @property
    def template(self) -> core.TaskTemplate:
        """The registered template, which all properties read. Not to be changed."""
        return self._template

    @property
    @override
    def id(self) -> core.Identifier:
        """Project, domain, name and version."""
        found = self._template.id
        return found if found is not None else core.Identifier(resource_type=self.resource_type)

    @property
    def type(self) -> str:
        """The kind of task, which decides what runs it: `python-task`, `spark`, ..."""
        return self._template.type

    @property
    def metadata(self) -> core.TaskMetadata:
        """Caching, retries, timeout and runtime."""
        return self._template.metadata or core.TaskMetadata()

    @property
    @override
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs."""
        return self._interface

    @property
    def custom(self) -> dict[str, Any]:
        """What the kind of task needs besides; all numbers are floats."""
        from ..literals import to_python

        struct = self._template.custom
        return {} if struct is None else to_python(core.Literal(scalar=core.Scalar(generic=struct)), name="custom")

    @property
    def task_type_version(self) -> int:
        """The version of the kind of task."""
        return self._template.task_type_version

    @property
    def container(self) -> core.Container | None:
        """What runs; None if that is no container."""
        return self._template.container

    @property
    def k8s_pod(self) -> core.K8SPod | None:
        """What runs, as a pod; None if that is no pod."""
        return self._template.k8s_pod

    @property
    def sql(self) -> core.Sql | None:
        """What runs, as a statement; None if that is no statement."""
        return self._template.sql

    @property
    def config(self) -> dict[str, str]:
        """What plugins need, as texts."""
        return self._template.config

    @property
    def security_context(self) -> core.SecurityContext | None:
        """As whom the task runs, and the secrets it needs."""
        return self._template.security_context

    @property
    def extended_resources(self) -> core.ExtendedResources | None:
        """Accelerators and shared memory."""
        return self._template.extended_resources

    @property
    def docs(self) -> admin.DescriptionEntity | None:
        """The description that was registered with the task; known only if it was made of a whole spec."""
        return self._docs

    @property
    def should_register(self) -> bool:
        """Whether the task has yet to be registered before it is launched."""
        return self._should_register

    @cached_property
    def _interface(self) -> TypedInterface:
        return TypedInterface.from_flyte_idl(self._template.interface or core.TypedInterface())


def _struct(custom: Mapping[str, Any] | MessageLike | None) -> protobuf.Struct | None:
    if not isinstance(custom, Mapping):
        return optional_message_of(protobuf.Struct, custom)
    if not custom:
        return None  # as flytekit writes it
    try:
        return protobuf.Struct.from_dict(json.loads(json.dumps(dict(custom))))
    except (TypeError, ValueError, RecursionError) as error:
        raise FlyteTypeException(f"custom: expected what JSON can hold: {error}") from error
