"""The call path: the one way in which the package performs an RPC."""

from .call import RpcCaller
from .limits import CallLimiter, CallStats, RetryBudget
from .options import CallOptions, RetryPolicy, TokenSource

__all__ = ["CallLimiter", "CallOptions", "CallStats", "RetryBudget", "RetryPolicy", "RpcCaller", "TokenSource"]
