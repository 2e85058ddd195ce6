"""The same API for programs without an event loop: every verb blocks until it is done.

from flyteasync.sync import FlyteRemote  # was: from flytekit.remote import FlyteRemote

All that `flyteasync` has is here, too: what awaits there has a twin that blocks, and all else is the same object. All
errors are here as well, and the nodes of entities, which flytekit.remote has.
"""

from typing import TYPE_CHECKING

from ..on_demand import on_demand

if TYPE_CHECKING:
    from ..config import Config as Config
    from ..config import PlatformConfig as PlatformConfig
    from ..entities import FlyteArrayNode as FlyteArrayNode
    from ..entities import FlyteBranchNode as FlyteBranchNode
    from ..entities import FlyteGateNode as FlyteGateNode
    from ..entities import FlyteLaunchPlan as FlyteLaunchPlan
    from ..entities import FlyteNode as FlyteNode
    from ..entities import FlyteTask as FlyteTask
    from ..entities import FlyteTaskNode as FlyteTaskNode
    from ..entities import FlyteWorkflow as FlyteWorkflow
    from ..entities import FlyteWorkflowNode as FlyteWorkflowNode
    from ..entities import TypedInterface as TypedInterface
    from ..errors import FlyteAssertion as FlyteAssertion
    from ..errors import FlyteAuthenticationException as FlyteAuthenticationException
    from ..errors import FlyteConcurrencyLimitReached as FlyteConcurrencyLimitReached
    from ..errors import FlyteDeadlineExceeded as FlyteDeadlineExceeded
    from ..errors import FlyteDecodeError as FlyteDecodeError
    from ..errors import FlyteEntityAlreadyExistsException as FlyteEntityAlreadyExistsException
    from ..errors import FlyteEntityNotExistException as FlyteEntityNotExistException
    from ..errors import FlyteError as FlyteError
    from ..errors import FlyteExecutionFailed as FlyteExecutionFailed
    from ..errors import FlyteInvalidFields as FlyteInvalidFields
    from ..errors import FlyteInvalidInputException as FlyteInvalidInputException
    from ..errors import FlyteNotImplementedException as FlyteNotImplementedException
    from ..errors import FlyteNotLaunched as FlyteNotLaunched
    from ..errors import FlytePermissionDenied as FlytePermissionDenied
    from ..errors import FlytePreconditionFailed as FlytePreconditionFailed
    from ..errors import FlyteRemoteClosed as FlyteRemoteClosed
    from ..errors import FlyteResourceExhausted as FlyteResourceExhausted
    from ..errors import FlyteSystemException as FlyteSystemException
    from ..errors import FlyteSystemUnavailableException as FlyteSystemUnavailableException
    from ..errors import FlyteTimeout as FlyteTimeout
    from ..errors import FlyteTypeException as FlyteTypeException
    from ..errors import FlyteUsageError as FlyteUsageError
    from ..errors import FlyteUserException as FlyteUserException
    from ..errors import FlyteValueException as FlyteValueException
    from ..errors import FlyteWrongLoop as FlyteWrongLoop
    from ..errors import Status as Status
    from ..executions import RemoteExecutionBase as RemoteExecutionBase
    from ..idl.core import NodeExecutionPhase as NodeExecutionPhase
    from ..idl.core import TaskExecutionPhase as TaskExecutionPhase
    from ..idl.core import WorkflowExecutionPhase as WorkflowExecutionPhase
    from ..literals import FlyteDirectory as FlyteDirectory
    from ..literals import FlyteFile as FlyteFile
    from ..literals import FlytePickle as FlytePickle
    from ..literals import LiteralsResolver as LiteralsResolver
    from ..literals import StructuredDataset as StructuredDataset
    from ..remote import Options as Options
    from ..remote import execution_name as execution_name
    from ..rpc import CallOptions as CallOptions
    from ..rpc import RetryPolicy as RetryPolicy
    from ..watcher import ExecutionEvent as ExecutionEvent
    from ..watcher import NodeEvent as NodeEvent
    from .executions import FlyteWorkflowExecution as FlyteWorkflowExecution
    from .many import Completed as Completed
    from .many import Outcome as Outcome
    from .many import Runs as Runs
    from .nodes import FlyteNodeExecution as FlyteNodeExecution
    from .nodes import FlyteTaskExecution as FlyteTaskExecution
    from .remote import FlyteRemote as FlyteRemote
    from .watch import Watch as Watch

_HOMES = {
    "CallOptions": ".rpc",
    "Completed": "many",
    "Config": ".config",
    "ExecutionEvent": ".watcher",
    "FlyteArrayNode": ".entities",
    "FlyteAssertion": ".errors",
    "FlyteAuthenticationException": ".errors",
    "FlyteBranchNode": ".entities",
    "FlyteConcurrencyLimitReached": ".errors",
    "FlyteDeadlineExceeded": ".errors",
    "FlyteDecodeError": ".errors",
    "FlyteDirectory": ".literals",
    "FlyteEntityAlreadyExistsException": ".errors",
    "FlyteEntityNotExistException": ".errors",
    "FlyteError": ".errors",
    "FlyteExecutionFailed": ".errors",
    "FlyteFile": ".literals",
    "FlyteGateNode": ".entities",
    "FlyteInvalidFields": ".errors",
    "FlyteInvalidInputException": ".errors",
    "FlyteLaunchPlan": ".entities",
    "FlyteNode": ".entities",
    "FlyteNodeExecution": "nodes",
    "FlyteNotImplementedException": ".errors",
    "FlyteNotLaunched": ".errors",
    "FlytePermissionDenied": ".errors",
    "FlytePickle": ".literals",
    "FlytePreconditionFailed": ".errors",
    "FlyteRemote": "remote",
    "FlyteRemoteClosed": ".errors",
    "FlyteResourceExhausted": ".errors",
    "FlyteSystemException": ".errors",
    "FlyteSystemUnavailableException": ".errors",
    "FlyteTask": ".entities",
    "FlyteTaskExecution": "nodes",
    "FlyteTaskNode": ".entities",
    "FlyteTimeout": ".errors",
    "FlyteTypeException": ".errors",
    "FlyteUsageError": ".errors",
    "FlyteUserException": ".errors",
    "FlyteValueException": ".errors",
    "FlyteWorkflow": ".entities",
    "FlyteWorkflowExecution": "executions",
    "FlyteWorkflowNode": ".entities",
    "FlyteWrongLoop": ".errors",
    "LiteralsResolver": ".literals",
    "NodeEvent": ".watcher",
    "NodeExecutionPhase": ".idl.core",
    "Options": ".remote",
    "Outcome": "many",
    "PlatformConfig": ".config",
    "RemoteExecutionBase": ".executions",
    "RetryPolicy": ".rpc",
    "Runs": "many",
    "Status": ".errors",
    "StructuredDataset": ".literals",
    "TaskExecutionPhase": ".idl.core",
    "TypedInterface": ".entities",
    "Watch": "watch",
    "WorkflowExecutionPhase": ".idl.core",
    "execution_name": ".remote",
}

__all__ = [
    "CallOptions",
    "Completed",
    "Config",
    "ExecutionEvent",
    "FlyteArrayNode",
    "FlyteAssertion",
    "FlyteAuthenticationException",
    "FlyteBranchNode",
    "FlyteConcurrencyLimitReached",
    "FlyteDeadlineExceeded",
    "FlyteDecodeError",
    "FlyteDirectory",
    "FlyteEntityAlreadyExistsException",
    "FlyteEntityNotExistException",
    "FlyteError",
    "FlyteExecutionFailed",
    "FlyteFile",
    "FlyteGateNode",
    "FlyteInvalidFields",
    "FlyteInvalidInputException",
    "FlyteLaunchPlan",
    "FlyteNode",
    "FlyteNodeExecution",
    "FlyteNotImplementedException",
    "FlyteNotLaunched",
    "FlytePermissionDenied",
    "FlytePickle",
    "FlytePreconditionFailed",
    "FlyteRemote",
    "FlyteRemoteClosed",
    "FlyteResourceExhausted",
    "FlyteSystemException",
    "FlyteSystemUnavailableException",
    "FlyteTask",
    "FlyteTaskExecution",
    "FlyteTaskNode",
    "FlyteTimeout",
    "FlyteTypeException",
    "FlyteUsageError",
    "FlyteUserException",
    "FlyteValueException",
    "FlyteWorkflow",
    "FlyteWorkflowExecution",
    "FlyteWorkflowNode",
    "FlyteWrongLoop",
    "LiteralsResolver",
    "NodeEvent",
    "NodeExecutionPhase",
    "Options",
    "Outcome",
    "PlatformConfig",
    "RemoteExecutionBase",
    "RetryPolicy",
    "Runs",
    "Status",
    "StructuredDataset",
    "TaskExecutionPhase",
    "TypedInterface",
    "Watch",
    "WorkflowExecutionPhase",
    "execution_name",
]

__getattr__, __dir__ = on_demand(__name__, _HOMES)
