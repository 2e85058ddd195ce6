"""DataProxyService: signed URLs, and values by their `flyte://` URL."""

from __future__ import annotations

import base64
import dataclasses
import re
from datetime import timedelta

from ...errors import FlyteError
from ...idl import admin, core, methods, service
from ..failures import already_exists, internal, invalid, not_found
from ..objects import UPLOADS, base64_text
from ..text import go_duration, proto_text
from .context import Context, Route
from .node_executions import NodeExecutionService, find_node_execution
from .task_executions import TaskExecutionService

MAX_EXPIRY = timedelta(hours=1)
"""How long a signed URL may be valid, and is if nothing is said; flyteadmin's default."""

_WORD = r"[a-zA-Z0-9_-]+"
_NODE = rf"flyte://v1/(?P<project>{_WORD})/(?P<domain>{_WORD})/(?P<name>{_WORD})/(?P<node>{_WORD})"
_TINY_URL = re.compile(rf"{_NODE}(?:/(?P<attempt>[0-9]+))?/(?:(?P<deck>d)|(?P<side>[io])(?:/(?P<literal>{_WORD}))?)")

_DECK = service.ArtifactType.DECK


class DataProxyService:
    """RPCs that hand out signed URLs, or what is behind tiny ones."""

    def __init__(self, context: Context, nodes: NodeExecutionService, tasks: TaskExecutionService) -> None:
        self._context = context
        self._store = context.store
        self._web = context.web
        self._nodes = nodes
        self._tasks = tasks

    def routes(self) -> dict[str, Route]:
        """What answers which path."""
        return {
            methods.CREATE_UPLOAD_LOCATION.path: self.upload,
            methods.CREATE_DOWNLOAD_LOCATION.path: self.download,
            methods.CREATE_DOWNLOAD_LINK.path: self.link,
            methods.GET_DATA.path: self.data,
        }

    def upload(self, request: service.CreateUploadLocationRequest) -> service.CreateUploadLocationResponse:
        """A URL that takes one object by PUT; the project need not exist."""
        if not (request.project and request.domain):
            raise invalid("project and domain are required parameters")
        if not (request.filename_root or request.content_md5):
            raise invalid("content_md5 or filename_root is a required parameter")
        if request.filename and request.filename_root:
            self._check_free(_location(request, request.filename), request.content_md5)
        expires_in = MAX_EXPIRY if request.expires_in is None else request.expires_in
        if expires_in > MAX_EXPIRY:
            raise invalid(
                f"expiresIn [{go_duration(expires_in)}] cannot exceed max allowed expiration "
                f"[{go_duration(MAX_EXPIRY)}]"
            )
        native_url = _location(request, request.filename or self._context.execution_name())
        md5 = base64_text(request.content_md5)
        expires_at = self._context.clock.now() + expires_in
        # The length is that of the digest and not of the object: so says the real server, too.
        headers = {"Content-Length": str(len(md5))} | ({"Content-MD5": md5} if md5 else {})
        if request.add_content_md5_metadata:
            headers["x-amz-meta-flyteContentMD5"] = md5
        return service.CreateUploadLocationResponse(
            signed_url=self._web.sign("PUT", native_url, expires_at, md5),
            native_url=native_url,
            expires_at=expires_at,
            headers=headers,
        )

    def _check_free(self, native_url: str, md5: bytes) -> None:
        """A name that was given is taken unless it is for the same content."""
        found = self._web.objects.get(native_url)
        if found is not None and found.md5 != md5:
            raise already_exists(
                f"file already exists at location [{native_url}], specify a matching hash if you wish to rewrite"
            )

    def download(self, request: service.CreateDownloadLocationRequest) -> service.CreateDownloadLocationResponse:
        """A URL that gives one object by GET, whether there is one or not."""
        try:
            expires_in = check_expiry(request.expires_in)
        except ValueError as error:
            raise invalid(f"error while validating request: {error}") from error
        expires_at = self._context.clock.now() + expires_in
        signed_url = self._web.sign("GET", request.native_url, expires_at)
        return service.CreateDownloadLocationResponse(signed_url=signed_url, expires_at=expires_at)

    def link(self, request: service.CreateDownloadLinkRequest) -> service.CreateDownloadLinkResponse:
        """A URL that gives the deck of a node by GET."""
        try:
            expires_in = check_expiry(request.expires_in)
            if request.artifact_type == service.ArtifactType.UNDEFINED:
                raise ValueError("invalid artifact type [ARTIFACT_TYPE_UNDEFINED]")
            if request.node_execution_id is None:
                raise ValueError("source is required. Provided nil")
        except ValueError as error:
            raise invalid(f"error while validating request. Error: {error}") from error
        shown = proto_text(request.node_execution_id)
        try:
            node = find_node_execution(self._store, request.node_execution_id)
        except FlyteError as error:
            raise invalid(f"failed to find node execution [{shown}]. Error: {error}") from error
        return self._deck_link(request, node.closure.deck_uri, expires_in)

    def _deck_link(
        self, request: service.CreateDownloadLinkRequest, deck_uri: str, expires_in: timedelta
    ) -> service.CreateDownloadLinkResponse:
        if not deck_uri or request.artifact_type != _DECK:
            raise not_found(f"no deckUrl found for request [{proto_text(request)}]")
        objects = self._web.objects
        if not objects.owns(deck_uri):
            raise internal(
                f"Failed to check the existence of the URL [{deck_uri}]. Error: it is not in this server's store"
            )
        if objects.get(deck_uri) is None:
            raise not_found(
                f"URL [{deck_uri}] does not exist yet. Please try again later. If you are using the real-time deck, "
                "this could be because the 'persist' function has not been called yet."
            )
        expires_at = self._context.clock.now() + expires_in
        urls = [self._web.sign("GET", deck_uri, expires_at)]
        return service.CreateDownloadLinkResponse(
            signed_url=urls,
            expires_at=expires_at,
            pre_signed_urls=service.PreSignedUrLs(signed_url=urls, expires_at=expires_at),
        )

    def data(self, request: service.GetDataRequest) -> service.GetDataResponse:
        """What a `flyte://` URL stands for: all inputs or outputs, one of them, or the link of a deck."""
        url = request.flyte_url
        for wrong, text in [
            (not url, "source is required. Provided empty string"),
            (not url.startswith("flyte://"), "request does not start with the correct prefix"),
        ]:
            if wrong:
                raise invalid(f"failed to validate resolve artifact request. Error: {text}")
        match = _TINY_URL.fullmatch(url)
        if match is None:
            raise invalid(f"failed to parse artifact url Error: failed to parse [{url}]")
        execution = core.WorkflowExecutionIdentifier(
            project=match["project"], domain=match["domain"], name=match["name"]
        )
        node = core.NodeExecutionIdentifier(node_id=match["node"], execution_id=execution)
        if match["attempt"] is None:
            return self._of_node(node, match)
        return self._of_attempt(node, match)

    def _of_node(self, node: core.NodeExecutionIdentifier, match: re.Match[str]) -> service.GetDataResponse:
        found = self._nodes.data(admin.NodeExecutionGetDataRequest(id=node))
        if match["deck"]:
            link = self.link(service.CreateDownloadLinkRequest(artifact_type=_DECK, node_execution_id=node))
            return service.GetDataResponse(pre_signed_urls=link.pre_signed_urls)
        values = found.full_inputs if match["side"] == "i" else found.full_outputs
        return _pick(values, match["literal"], "node", proto_text(node))

    def _of_attempt(self, node: core.NodeExecutionIdentifier, match: re.Match[str]) -> service.GetDataResponse:
        execution = node.execution_id
        assert execution is not None
        group = (execution.project, execution.domain, execution.name, node.node_id)
        wanted = int(match["attempt"])
        rows = [row for row in self._store.task_executions.group(group) if row.retry_attempt == wanted]
        if not rows:
            partial = core.TaskExecutionIdentifier(node_execution_id=node)
            if wanted < 2**32:
                partial = dataclasses.replace(partial, retry_attempt=wanted)
            raise invalid(f"no task executions were listed [{proto_text(partial)}]. Error: <nil>")
        if match["deck"]:
            raise invalid("deck type cannot be specified with a retry attempt, just use the node instead")
        identifier = rows[0].message.id
        found = self._tasks.data(admin.TaskExecutionGetDataRequest(id=identifier))
        values = found.full_inputs if match["side"] == "i" else found.full_outputs
        return _pick(values, match["literal"], "task", proto_text(identifier))


def check_expiry(given: timedelta | None) -> timedelta:
    """How long a download is allowed.

    Raises:
        ValueError: a negative time, or more than is allowed.
    """
    if given is None:
        return MAX_EXPIRY
    shown = f"expiresIn is invalid. Error: input duration [{go_duration(given)}]"
    if given < timedelta():
        raise ValueError(f"{shown} should not less than 0")
    if given > MAX_EXPIRY:
        raise ValueError(f"{shown} cannot exceed max allowed expiration [{go_duration(MAX_EXPIRY)}]")
    return given


def _location(request: service.CreateUploadLocationRequest, filename: str) -> str:
    """Where an upload is kept: the same content under the same name is in the same place."""
    root = request.filename_root or base64.b32encode(request.content_md5).decode()
    parts = "/".join((request.project, request.domain, root, filename)).split("/")
    if {".", ".."} & set(parts):
        raise invalid("project, domain, filename_root and filename must not contain '.' or '..' as a part of a path")
    return f"{UPLOADS}://flyte/" + "/".join(part for part in parts if part)


def _pick(values: core.LiteralMap | None, name: str | None, kind: str, identifier: str) -> service.GetDataResponse:
    values = values or core.LiteralMap()
    if name is None:
        return service.GetDataResponse(literal_map=values)
    if name not in values.literals:
        raise invalid(f"name [{name}] not found in {kind} execution [{identifier}]")
    return service.GetDataResponse(literal=values.literals[name])
