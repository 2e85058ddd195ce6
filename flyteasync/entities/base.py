"""What all entities have in common."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from typing_extensions import override

from ..errors import FlyteAssertion
from ..idl import core
from ..interop import flytekit
from .identifier import text_of
from .idl_entity import IdlEntity
from .interface import PythonInterface, TypedInterface


class Entity(IdlEntity):
    """A registered task, workflow or launch plan.

    It can be launched with `remote.execute`, and called inside of flytekit's `@workflow` and `@dynamic` functions,
    where it becomes a node. Calling it anywhere else runs `execute`, which a test may replace.
    """

    entity_type_text: ClassVar[str]
    """What kind of entity this is, for texts: `Task`, `Workflow` or `Launch Plan`."""

    resource_type: ClassVar[core.ResourceType]
    """The same as IDL enumerates it."""

    _python_interface: PythonInterface | None = None

    @property
    @abstractmethod
    def id(self) -> core.Identifier:
        """Resource type, project, domain, name and version."""

    @property
    @abstractmethod
    def interface(self) -> TypedInterface:
        """The typed inputs and outputs."""

    @abstractmethod
    def _make_twin(self) -> Any:
        """flytekit's own object for the same entity."""

    def to_flytekit(self) -> Any:
        """flytekit's own object for the same entity, for functions of flytekit that ask for one, such as `create_node`.

        It is one object however often it is asked for: flytekit tells its entities apart by identity.

        Raises:
            FlyteUsageError: flytekit is not installed.
        """
        return self._twin

    @cached_property
    def _twin(self) -> Any:
        return self._make_twin()

    @property
    def name(self) -> str:
        """The name without project, domain and version."""
        return self.id.name

    @property
    def python_interface(self) -> PythonInterface:
        """The Python types of inputs and outputs: those that were set, else those that the interface suggests."""
        return self._python_interface or self._suggested_types()

    @python_interface.setter
    def python_interface(self, types: PythonInterface | None) -> None:
        self._python_interface = types

    def _suggested_types(self) -> PythonInterface:
        return self.interface.to_python()

    def construct_node_metadata(self) -> core.NodeMetadata:
        """The metadata of a node that runs this entity: it is named as the function, without the modules."""
        return core.NodeMetadata(name=self.name.rpartition(".")[2], retries=core.RetryStrategy())

    def compile(self, ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """Make a node of the flytekit workflow that is being compiled.

        Args:
            ctx: flytekit's context.
            args: not allowed; there for callers of flytekit.
            kwargs: the inputs: values, and promises of other nodes.

        Returns:
            flytekit's promises of the outputs.

        Raises:
            FlyteUsageError: flytekit is not installed.
            AssertionError: flytekit's own, about inputs that are missing or too many.
        """
        return self.to_flytekit().compile(ctx, *args, **kwargs)

    def execute(self, **kwargs: Any) -> Any:
        """Refuse to run: the code is not here. Tests of flytekit workflows put a function in its place.

        Raises:
            FlyteAssertion: always.
        """
        raise FlyteAssertion(
            f"{self.short_string()} cannot be run on this machine: launch it with `remote.execute(...)`, call it "
            f"inside of a workflow, or replace its `execute` in a test"
        )

    def local_execute(self, ctx: Any, **kwargs: Any) -> Any:
        """Run as a step of a flytekit workflow on this machine, which is what `execute` does.

        Args:
            ctx: flytekit's context; not used.
            kwargs: the inputs.
        """
        return self.execute(**kwargs)

    def local_execution_mode(self) -> Any:
        """flytekit's name for running a single task on this machine.

        Raises:
            FlyteUsageError: flytekit is not installed.
        """
        return flytekit.local_execution_mode()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Become a node where flytekit compiles a workflow; run `local_execute` or `execute` elsewhere.

        Raises:
            FlyteAssertion: inputs without names, or the entity cannot be run here.
        """
        if args:
            raise FlyteAssertion(f"{self.short_string()} takes its inputs by name only, got {len(args)} without a name")
        here = flytekit.situation()
        match here.mode:
            case "compile":
                return self.compile(here.context, **kwargs)
            case "local":
                return self.local_execute(here.context, **kwargs)
            case "skip":
                return None
            case "plain":
                return self.execute(**kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_twin"}

    @override
    def short_string(self) -> str:
        """Kind, project, domain, name and version."""
        return f"{self.entity_type_text.lower()} {text_of(self.id)}"

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {text_of(self.id)}>"

    @override
    def _tables(self) -> dict[str, list[tuple[str, str]]]:
        return self.interface.tables()
