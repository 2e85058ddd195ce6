"""A compiled workflow with every kind of node, as flyteadmin shows it."""

import pytest

from flyteasync.idl import core
from tests.entities.build import closure_of_everything


@pytest.fixture
def closure() -> core.CompiledWorkflowClosure:
    return closure_of_everything()
