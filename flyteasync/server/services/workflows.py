"""Workflows."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import FlyteEntityNotExistException
from ...idl import admin, core, methods
from .. import validation
from ..columns import Entity
from ..compiler import CompileError, LaunchPlanInterface, compile_workflow, entity_key
from ..failures import already_exists, invalid, missing
from ..rows import WorkflowRow
from ..text import proto_text
from . import entities
from .context import Context, Route
from .descriptions import add_description

_SYSTEM_NODES = 2


class WorkflowService:
    """RPCs about workflows."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.CREATE_WORKFLOW.path: self.create,
            methods.GET_WORKFLOW.path: self.get,
            methods.LIST_WORKFLOWS.path: self.list,
            methods.LIST_WORKFLOW_IDS.path: self.list_ids,
        }

    def create(self, request: admin.WorkflowCreateRequest) -> admin.WorkflowCreateResponse:
        """Compile and register a version of a workflow."""
        identifier = validation.check_identifier(request.id, core.ResourceType.WORKFLOW)
        config = self._context.config
        validation.check_project_and_domain(self._store, config.domains, identifier.project, identifier.domain)
        spec = request.spec
        if spec is None or spec.template is None:
            raise missing("spec")
        spec.template.id = identifier
        compiled = self._compile(identifier, spec)
        self._check_size(identifier, compiled)
        existing = self._store.workflows.get(
            (identifier.project, identifier.domain, identifier.name, identifier.version)
        )
        if existing is not None:
            raise _exists(identifier, existing, compiled)
        description = "" if spec.description is None else spec.description.short_description
        self._store.workflows.insert(self._row(identifier, compiled, description))
        add_description(self._store, identifier, spec.description)
        return admin.WorkflowCreateResponse()

    def _compile(self, identifier: core.Identifier, spec: admin.WorkflowSpec) -> core.CompiledWorkflowClosure:
        assert spec.template is not None
        try:
            return compile_workflow(spec.template, spec.sub_workflows, self._task, self._launch_plan)
        except (CompileError, FlyteEntityNotExistException) as error:
            raise invalid(f"failed to compile workflow for [{proto_text(identifier)}] with err: {error}") from error

    def compile_dynamic(
        self,
        template: core.WorkflowTemplate,
        sub_workflows: Sequence[core.WorkflowTemplate],
        tasks: Sequence[core.TaskTemplate],
    ) -> core.CompiledWorkflowClosure:
        """Compile the workflow of a dynamic node, whose tasks need not be registered.

        Raises:
            CompileError: it cannot run.
            FlyteEntityNotExistException: a task or launch plan that it refers to does not exist.
        """
        given = {entity_key(task.id): task for task in tasks if task.id is not None}

        def find_task(identifier: core.Identifier) -> core.TaskTemplate:
            return given.get(entity_key(identifier)) or self._task(identifier)

        return compile_workflow(template, sub_workflows, find_task, self._launch_plan)

    def _task(self, identifier: core.Identifier) -> core.TaskTemplate:
        return entities.find(self._store.tasks, identifier, Entity.TASK).template

    def _launch_plan(self, identifier: core.Identifier) -> LaunchPlanInterface:
        closure = entities.find(self._store.launch_plans, identifier, Entity.LAUNCH_PLAN).closure
        expected = {} if closure.expected_inputs is None else closure.expected_inputs.parameters
        inputs = {name: parameter.var for name, parameter in expected.items() if parameter.var is not None}
        interface = core.TypedInterface(inputs=core.VariableMap(variables=inputs), outputs=closure.expected_outputs)
        optional = frozenset(name for name, parameter in expected.items() if not parameter.required)
        return LaunchPlanInterface(interface, optional)

    def _check_size(self, identifier: core.Identifier, compiled: core.CompiledWorkflowClosure) -> None:
        assert compiled.primary is not None
        assert compiled.primary.template is not None
        count = len(compiled.primary.template.nodes) - _SYSTEM_NODES
        limit = self._context.config.max_workflow_nodes
        if limit and count > limit:
            raise invalid(f"number of nodes in workflow [{proto_text(identifier)}] exceeds limit ({count} > {limit})")

    def _row(
        self, identifier: core.Identifier, compiled: core.CompiledWorkflowClosure, description: str
    ) -> WorkflowRow:
        created_at = self._context.clock.now()
        closure = admin.WorkflowClosure(compiled_workflow=compiled, created_at=created_at)
        assert compiled.primary is not None
        assert compiled.primary.template is not None
        # Lists show the interface alone, without even the template's id.
        template = core.WorkflowTemplate(interface=compiled.primary.template.interface)
        bare = core.CompiledWorkflowClosure(primary=core.CompiledWorkflow(template=template))
        listed = admin.WorkflowClosure(compiled_workflow=bare, created_at=created_at)
        return WorkflowRow(
            project=identifier.project,
            domain=identifier.domain,
            name=identifier.name,
            version=identifier.version,
            message=admin.Workflow(id=identifier, closure=closure, short_description=description),
            listed=admin.Workflow(id=identifier, closure=listed, short_description=description),
            compiled=compiled,
            short_description=description,
        )

    def get(self, request: admin.ObjectGetRequest) -> admin.Workflow:
        """One version with its compiled closure."""
        return entities.requested(self._store.workflows, request, Entity.WORKFLOW).message

    def list(self, request: admin.ResourceListRequest) -> admin.WorkflowList:
        """Versions with nothing but their interfaces."""
        page = entities.list_rows(self._store.workflows, request, Entity.WORKFLOW, "ListWorkflows")
        return admin.WorkflowList(workflows=[row.listed for row in page.rows], token=page.token)

    def list_ids(self, request: admin.NamedEntityIdentifierListRequest) -> admin.NamedEntityIdentifierList:
        """Names."""
        entities.check_names_request(request)
        return entities.list_names(self._store.workflows, request, Entity.WORKFLOW, "ListWorkflowIdentifiers")


def _exists(identifier: core.Identifier, existing: WorkflowRow, compiled: core.CompiledWorkflowClosure) -> Exception:
    if existing.compiled == compiled:
        reason = admin.CreateWorkflowFailureReason(
            exists_identical_structure=admin.WorkflowErrorExistsIdenticalStructure(id=identifier)
        )
        return already_exists("workflow with identical structure already exists", reason)
    reason = admin.CreateWorkflowFailureReason(
        exists_different_structure=admin.WorkflowErrorExistsDifferentStructure(id=identifier)
    )
    # The real server compares what its table holds, which is the interface alone.
    old = core.CompiledWorkflow(template=core.WorkflowTemplate(interface=existing.template.interface))
    assert compiled.primary is not None
    assert compiled.primary.template is not None
    new = core.CompiledWorkflow(template=core.WorkflowTemplate(interface=compiled.primary.template.interface))
    return invalid(
        f"{identifier.name} workflow with different structure already exists. "
        "(Please register a new version of the workflow):\n" + entities.difference(old, new),
        reason,
    )
