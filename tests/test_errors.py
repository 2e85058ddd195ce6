"""The error tree: bases that callers rely on, construction without arguments, pickling."""

import inspect
import pickle

import pytest

from flyteasync import errors
from flyteasync.errors import FlyteError, Status

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, FlyteError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_can_be_made_without_arguments(cls: type[FlyteError]) -> None:
    error = cls()
    assert str(error) == ""
    assert error.error_code != ""
    assert error.status is None


@pytest.mark.parametrize("cls", CLASSES)
def test_pickles_with_all_it_carries(cls: type[FlyteError]) -> None:
    error = cls(
        "no such thing", method="AdminService/GetTask", status=Status.NOT_FOUND, identifier="p/d/n", retryable=True
    )
    error.add_note("gave up after 3 attempts")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == "no such thing"
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_is_exported_and_drawn_in_the_tree(cls: type[FlyteError]) -> None:
    assert cls.__name__ in errors.__all__
    assert f"{cls.__name__} " in errors.__doc__


def test_bases_are_those_that_callers_catch() -> None:
    assert issubclass(errors.FlyteTimeout, TimeoutError)
    assert issubclass(errors.FlyteTimeout, AssertionError)
    assert issubclass(errors.FlyteEntityNotExistException, AssertionError)
    assert issubclass(errors.FlyteValueException, ValueError)
    assert issubclass(errors.FlyteTypeException, TypeError)


def test_http_status_is_a_status_that_a_service_can_answer_with() -> None:
    assert {cls.http_status for cls in CLASSES} <= set(range(400, 600))
    assert errors.FlyteEntityNotExistException.http_status == 404
