"""The generated method table and stubs against the service descriptors of flyteidl."""

import importlib
import inspect

import pytest
from google.protobuf.descriptor import MethodDescriptor

from flyteasync.idl import methods, services

SERVICES = [
    service
    for name in ("admin", "dataproxy", "signal", "auth", "identity")
    for service in importlib.import_module(f"flyteidl.service.{name}_pb2").DESCRIPTOR.services_by_name.values()
]
DESCRIPTORS: list[MethodDescriptor] = [method for service in SERVICES for method in service.methods]


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def test_no_rpc_is_missing_and_none_is_extra() -> None:
    assert set(methods.METHODS) == {path_of(method) for method in DESCRIPTORS}


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=path_of)
def test_an_rpc_has_the_message_types_of_its_descriptor(descriptor: MethodDescriptor) -> None:
    method = methods.METHODS[path_of(descriptor)]
    assert method.name == descriptor.name
    for ours, theirs in ((method.request, descriptor.input_type), (method.reply, descriptor.output_type)):
        package = theirs.file.package.removeprefix("flyteidl.")
        assert ours.__module__ == f"flyteasync.idl.{package}"
        assert ours.__name__.lower() == theirs.name.lower()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_service_class_has_one_coroutine_method_an_rpc(service: object) -> None:
    stub = getattr(services, service.name)  # type: ignore[attr-defined]
    public = {name for name, _ in inspect.getmembers(stub, inspect.iscoroutinefunction) if not name.startswith("_")}
    assert len(public) == len(service.methods)  # type: ignore[attr-defined]
