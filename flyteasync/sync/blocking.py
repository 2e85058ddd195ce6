"""Plain methods that run a coroutine method of an async twin: signatures are written once, in the async class."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from .portal import portal

A = TypeVar("A", contravariant=True)
P = ParamSpec("P")
R = TypeVar("R")
W = TypeVar("W")


class Twin(Protocol):
    """A facade object, which holds the async object that does the work."""

    @property
    def aio(self) -> Any:
        """The async object."""
        ...


@overload
def blocking(method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]], /) -> Callable[Concatenate[Any, P], R]: ...
@overload
def blocking(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, R]],
    result: Callable[[R], W],
    /,
    *,
    then: Callable[[R], Coroutine[Any, Any, R]] | None = None,
    defaults: Mapping[str, object] = ...,
) -> Callable[Concatenate[Any, P], W]: ...
def blocking(
    method: Callable[..., Coroutine[Any, Any, Any]],
    result: Callable[[Any], Any] | None = None,
    /,
    *,
    then: Callable[[Any], Coroutine[Any, Any, Any]] | None = None,
    defaults: Mapping[str, object] = MappingProxyType({}),
) -> Callable[..., Any]:
    """A function that runs the method of the async twin in the loop thread and returns what it returns.

    Args:
        method: the coroutine function of the async class.
        result: makes the facade's object of an async result.
        then: a further step in the loop, from the method's result to the one to use.
        defaults: parameters whose default is another one in the facade.
    """
    signature = _with_defaults(inspect.signature(method), defaults)

    async def work(twin: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        value = await method(twin, *args, **kwargs)
        return value if then is None else await then(value)

    def call(self: Twin, /, *args: Any, **kwargs: Any) -> Any:
        if defaults:
            given = signature.bind_partial(self, *args, **kwargs).arguments
            kwargs |= {name: value for name, value in defaults.items() if name not in given}
        value = portal().run(work(self.aio, args, kwargs))
        return value if result is None else result(value)

    return _dressed(call, method, signature)


def delegating(method: Callable[Concatenate[A, P], R], result: Callable[[R], W], /) -> Callable[Concatenate[Any, P], W]:
    """A function that calls a plain method of the async twin, which does no I/O, and wraps what that returns.

    Args:
        method: the function of the async class.
        result: makes the facade's object of an async result.
    """

    def call(self: Twin, /, *args: P.args, **kwargs: P.kwargs) -> W:
        return result(method(self.aio, *args, **kwargs))

    return _dressed(call, method, inspect.signature(method))


def _dressed(call: Callable[..., Any], method: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """The function with the name, documentation and signature of the method that it stands for."""
    functools.update_wrapper(call, method)
    # Without this, mocks and `inspect` would follow the attribute to the coroutine function.
    del vars(call)["__wrapped__"]
    cast("Any", call).__signature__ = signature
    return call


def _with_defaults(signature: inspect.Signature, defaults: Mapping[str, object]) -> inspect.Signature:
    parameters = signature.parameters
    assert defaults.keys() <= parameters.keys(), f"no such parameters: {sorted(defaults.keys() - parameters.keys())}"
    return signature.replace(
        parameters=[
            parameter.replace(default=defaults[name]) if name in defaults else parameter
            for name, parameter in parameters.items()
        ]
    )
