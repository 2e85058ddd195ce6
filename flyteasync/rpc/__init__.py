"""The call path: the one way in which the package performs an RPC."""

from .call import RpcCaller
from .instrumentation import Instrumentation
from .limits import CallLimiter, CallStats, RetryBudget
from .options import UNSET, CallOptions, RetryPolicy, TokenSource, Unset

__all__ = [
    "UNSET",
    "CallLimiter",
    "CallOptions",
    "CallStats",
    "Instrumentation",
    "RetryBudget",
    "RetryPolicy",
    "RpcCaller",
    "TokenSource",
    "Unset",
]
