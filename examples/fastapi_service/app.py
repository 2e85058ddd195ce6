"""A web service that launches executions of a Flyte launch plan and tells how they are.

It keeps nothing: executions live in Flyte under their names, so any replica answers for any of them, and they go on
when the replica that launched them ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from typing_extensions import override

from flyteasync import Config, FlyteError, FlyteRemote, FlyteWorkflowExecution, execution_name
from flyteasync.errors import FlyteTimeout
from flyteasync.watcher import Watch

PROJECT = os.environ.get("FLYTE_PROJECT", "flytesnacks")
DOMAIN = os.environ.get("FLYTE_DOMAIN", "development")
LAUNCH_PLAN = os.environ.get("LAUNCH_PLAN", "demo.report")
VERSION = os.environ.get("LAUNCH_PLAN_VERSION")  # one that is set is looked up once; otherwise every launch asks

CALL_TIMEOUT = 5.0
"""Seconds that a request gives each of its calls of Flyte, retries included; it makes five at the most."""

LONGEST_WAIT = 60.0
"""Seconds that a client may wait with one request."""

HEARTBEAT = 15.0
"""Seconds between two signs of life in a stream of events, which proxies may cut off otherwise."""

GRACE = 20
"""Seconds that open requests have to end after SIGTERM. Waits end at once, and the rest are bounded by their calls."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """One remote for all requests: it shares a connection and a poller. It connects when it is used first."""
    app.state.stopping = asyncio.Event()
    async with FlyteRemote(Config.auto(), default_project=PROJECT, default_domain=DOMAIN) as remote:
        app.state.remote = remote
        yield


app = FastAPI(title="Executions", lifespan=lifespan)


def remote_of_request(
    request: Request, response: Response, x_request_id: Annotated[str, Header(pattern="^[!-~]{1,100}$")] = ""
) -> FlyteRemote:
    """The remote as this request sees it: its calls end in time, and carry the request's id."""
    request_id = x_request_id or uuid.uuid4().hex
    request.state.headers = {"x-request-id": request_id}
    response.headers.update(request.state.headers)
    return request.app.state.remote.with_options(timeout=CALL_TIMEOUT, metadata=request.state.headers)


Remote = Annotated[FlyteRemote, Depends(remote_of_request)]


class Failure(BaseModel):
    """Why something did not work; `code` is for programs."""

    code: str
    message: str


class Execution(BaseModel):
    """How an execution is; `outputs` or `error` come with its end."""

    name: str
    phase: str
    done: bool
    outputs: dict[str, Any] | None = None
    error: Failure | None = None

    @classmethod
    def of(cls, execution: FlyteWorkflowExecution) -> Execution:
        """What the last look at an execution showed."""
        shown = cls(name=execution.id.name, phase=execution.closure.phase.name or "UNKNOWN", done=execution.is_done)
        if execution.is_successful:
            shown.outputs = execution.outputs.to_json()
        elif execution.is_done and execution.error is not None:
            shown.error = Failure(code=execution.error.code, message=execution.error.message)
        return shown


@app.exception_handler(FlyteError)
async def refuse(request: Request, error: FlyteError) -> JSONResponse:
    """Every error of Flyte, as the status that it stands for; of a launch, with the name to try it again by."""
    headers = dict(request.state.headers)
    if error.http_status >= 500:
        logger.error("%s failed (%s): %s", request.url.path, headers["x-request-id"], error)
    if error.retryable:
        headers["retry-after"] = str(math.ceil(error.retry_after or 1))
    body: dict[str, Any] = {"error": Failure(code=error.error_code, message=str(error)).model_dump()}
    if error.http_status >= 500 and (name := getattr(request.state, "launching", None)):
        body["name"] = name
    return JSONResponse(body, error.http_status, headers)


@app.post("/executions", status_code=202)
async def launch(
    request: Request,
    remote: Remote,
    response: Response,
    inputs: Annotated[dict[str, Any], Body()],
    name: str | None = None,
) -> Execution:
    """Launch an execution with the body as its inputs.

    A request with a name may be repeated: with the same inputs it finds the execution that it launched, with others it
    is refused. One without a name gets one here, and is told it even if Flyte fails: whether the execution was created
    may not be known then, and repeating the request without the name might create another one.
    """
    if name is None:
        name = execution_name(LAUNCH_PLAN, uuid.uuid4().hex)
    request.state.launching = name
    plan = await remote.fetch_launch_plan(name=LAUNCH_PLAN, version=VERSION)
    execution = await remote.execute(plan, plan.interface.parse_json(inputs), execution_name=name)
    response.headers["location"] = app.url_path_for("show", name=execution.id.name)
    return Execution.of(await execution.wait() if execution.is_done else execution)


@app.get("/executions/{name}")
async def show(remote: Remote, name: str) -> Execution:
    """How an execution is now."""
    return Execution.of(await remote.execution(name).sync())


@app.get("/executions/{name}/wait")
async def wait(
    request: Request, remote: Remote, name: str, timeout: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 20.0
) -> Execution:
    """How an execution is when it has ended, or after `timeout` seconds; sooner if this service is stopped."""
    execution = remote.execution(name)
    with suppress(FlyteTimeout):
        await first_of(execution.wait(timeout), request.app.state.stopping.wait(), disconnection(request))
    return Execution.of(execution if execution.is_done else await execution.sync())


@app.get("/executions/{name}/events")
async def events(
    request: Request,
    response: Response,
    remote: Remote,
    name: str,
    nodes: bool = False,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """The changes of an execution's phase, and of its nodes', as server-sent events, up to the last one.

    A client that lost the connection sends the id of the last event that it has, as browsers do, and is told the rest.
    """
    execution = await remote.execution(name).sync()
    watch = execution.watch(nodes=nodes, since=last_event_id or None, poll_interval=2)
    headers = {**response.headers, "cache-control": "no-store"}
    return StreamingResponse(stream(request, watch), headers=headers, media_type="text/event-stream")


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether this process is alive; whether Flyte is, does not matter."""
    return {"status": "ok"}


@app.get("/readyz")
async def readyz(remote: Remote) -> dict[str, str]:
    """Whether Flyte answers."""
    return {"status": "ok", "flyte": (await remote.ping()).version}


async def stream(request: Request, watch: Watch) -> AsyncIterator[str]:
    """Events as text; ends with the execution, with the client, and with this service."""
    closing = asyncio.create_task(close(watch, request))
    try:
        async with watch:
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        event = await anext(watch, None)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if event is None:
                    return
                content = event.to_dict()
                yield f"id: {event.id}\nevent: {content['kind']}\ndata: {json.dumps(content)}\n\n"
    finally:
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)


async def close(watch: Watch, request: Request) -> None:
    """Have a stream end when the client is gone, or this service is stopped."""
    await first_of(request.app.state.stopping.wait(), disconnection(request))
    await watch.aclose()


async def first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Wait until one of them has ended, raise what it raised, and leave none of the others running."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def disconnection(request: Request) -> None:
    """Wait until the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Server(uvicorn.Server):
    """Ends waits before it waits for open requests."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app.state.stopping.set()
        await super().shutdown(sockets)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    # uvicorn raises the signal once more when it has shut down; that shall not look like a crash.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8000"))
    with suppress(KeyboardInterrupt):
        Server(uvicorn.Config(app, host, port, timeout_graceful_shutdown=GRACE)).run()


if __name__ == "__main__":
    main()
