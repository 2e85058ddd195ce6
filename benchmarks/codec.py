"""What decoding and encoding cost, as ratios to upb (the official protobuf package) and to betterproto2's own codec.

    python -m benchmarks.codec [--json] [--check]

The candidates of a row are timed in turns in one process, so that a clock that changes its pace changes it for all; a
ratio is the median of the ratios of the rounds.  Memory is what a fresh process grows by.  `--check` fails if a target
is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.support import messages, stock
from flyteasync.codec import decode, encode
from flyteasync.idl import admin, core

ROUNDS = 15
ROUND_SECONDS = 0.015
KEPT_MESSAGES = 4000

Use = Callable[[Any], object]


class Row(NamedTuple):
    """Something that three codecs do."""

    name: str
    upb: Callable[[], object]
    ours: Callable[[], object]
    betterproto2: Callable[[], object]
    most_upb: float | None = None
    """Target: our time is at most so many times upb's."""

    least_betterproto2: float | None = None
    """Target: betterproto2's time is at least so many times ours."""


class Result(NamedTuple):
    """What a row came to."""

    name: str
    unit: str
    upb: float
    ours: float
    betterproto2: float
    to_upb: float
    """Ours / upb."""

    to_betterproto2: float
    """betterproto2 / ours."""

    most_upb: float | None
    least_betterproto2: float | None

    @property
    def met(self) -> bool:
        """Whether the targets are."""
        fast = self.most_upb is None or self.to_upb <= self.most_upb
        return fast and (self.least_betterproto2 is None or self.to_betterproto2 >= self.least_betterproto2)


# What is done with messages


def nothing(message: Any) -> object:
    """Leave a message as it is."""
    return message


def phase(message: Any) -> object:
    """Read one field of a sub-message."""
    return message.closure.phase


def names_and_phases(message: Any) -> object:
    """Read two fields of each item."""
    return [(item.id.name, item.closure.phase) for item in message.executions]


def node_names_and_phases(message: Any) -> object:
    """Read two fields of each item."""
    return [(item.id.node_id, item.closure.phase) for item in message.node_executions]


def one_literal(message: Any) -> object:
    """Read one item of a map."""
    return message.literals["k500"].scalar.primitive.integer


def workflow_name(message: Any) -> object:
    """Read one field deep down."""
    return message.primary.template.id.name


def everything(message: Any) -> object:
    """Read every field, all the way down."""
    if hasattr(message, "ListFields"):
        _read_upb(message)
    else:
        _read_dataclass(message, _names(message.__class__))
    return message


@functools.cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    """The fields of a message class; nothing for other classes."""
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else ()


def _read_dataclass(message: Any, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(message, name)
        kind: type[Any] = value.__class__
        if kind is list or kind is dict:
            for item in value if kind is list else value.values():
                if inner := _names(item.__class__):
                    _read_dataclass(item, inner)
        elif inner := _names(kind):
            _read_dataclass(value, inner)


def _read_upb(message: Any) -> None:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for item in value.values():
                    _read_upb(item)
        elif field.is_repeated:
            for item in value:
                _read_upb(item)
        else:
            _read_upb(value)


# What is measured


def reading(name: str, theirs: Any, ours: Any, use: Use, upb: float | None = None, better: float | None = None) -> Row:
    """Decode a message and use it."""
    data, parse, old = theirs.SerializeToString(), theirs.__class__.FromString, stock.twin(ours)
    return Row(
        f"decode {name}",
        lambda: use(parse(data)),
        lambda: use(decode(ours, data)),
        lambda: use(old.parse(data)),
        upb,
        better,
    )


def writing(name: str, theirs: Any, ours: Any, better: float) -> Row:
    """Encode a message that was built."""
    data = theirs.SerializeToString()
    message, old = built(decode(ours, data)), stock.twin(ours).parse(data)
    return Row(f"encode {name}", theirs.SerializeToString, lambda: encode(message), lambda: bytes(old), None, better)


def built(message: Any) -> Any:
    """A message as a user makes it, by constructors."""

    def of(value: Any) -> Any:
        if value.__class__ is list:
            return [of(item) for item in value]
        if value.__class__ is dict:
            return {key: of(item) for key, item in value.items()}
        return built(value) if dataclasses.is_dataclass(value) else value

    values = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    return type(message)(**{name: of(value) for name, value in values.items() if value not in (None, [], {})})


def rows() -> Iterator[Row]:
    """Everything that is measured but memory."""
    one, page, nodes = messages.execution(), messages.execution_list(), messages.node_execution_list()
    literals, workflow = messages.literal_map(), messages.workflow()
    yield reading("Execution, nothing read", one, admin.Execution, nothing, 2)
    yield reading("Execution, its phase", one, admin.Execution, phase, 5, 40)
    yield reading("Execution, everything", one, admin.Execution, everything, 5, 2.5)
    yield reading("100 Executions, nothing read", page, admin.ExecutionList, nothing)
    yield reading("100 Executions, names and phases", page, admin.ExecutionList, names_and_phases, 9, 20)
    yield reading("100 Executions, everything", page, admin.ExecutionList, everything, 5, 2.5)
    yield reading("100 NodeExecutions, names and phases", nodes, admin.NodeExecutionList, node_names_and_phases)
    yield reading("100 NodeExecutions, everything", nodes, admin.NodeExecutionList, everything, 5, 2.5)
    yield reading("1000 Literals, one value", literals, core.LiteralMap, one_literal)
    yield reading("1000 Literals, everything", literals, core.LiteralMap, everything)
    yield reading("workflow of 100 nodes, its name", workflow, core.CompiledWorkflowClosure, workflow_name)
    yield reading("workflow of 100 nodes, everything", workflow, core.CompiledWorkflowClosure, everything, 5, 2.5)
    yield writing("WorkflowExecutionGetRequest", messages.get_request(), admin.WorkflowExecutionGetRequest, 8)
    yield writing("ExecutionCreateRequest", messages.create_request(), admin.ExecutionCreateRequest, 5.5)
    yield writing("Execution", one, admin.Execution, 8)
    yield writing("1000 Literals", literals, core.LiteralMap, 5.5)
    data = one.SerializeToString()
    ours, old = decode(admin.Execution, data), stock.twin(admin.Execution).parse(data)
    yield Row("encode Execution, not read", one.SerializeToString, lambda: encode(ours), lambda: bytes(old), None, 150)


def measure(row: Row) -> Result:
    """Time the candidates of a row in turns."""
    candidates = (row.upb, row.ours, row.betterproto2)
    counts = [_count(candidate) for candidate in candidates]
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        gc.collect()
        rounds.append([_seconds(candidate, count) / count for candidate, count in zip(candidates, counts, strict=True)])
    upb, ours, better = (min(column) * 1e6 for column in zip(*rounds, strict=True))
    to_upb = statistics.median(times[1] / times[0] for times in rounds)
    to_betterproto2 = statistics.median(times[2] / times[1] for times in rounds)
    targets = row.most_upb, row.least_betterproto2
    return Result(row.name, "us", upb, ours, better, to_upb, to_betterproto2, *targets)


def _count(action: Callable[[], object]) -> int:
    """How often to do something in a round."""
    action()
    return max(1, int(ROUND_SECONDS / max(_seconds(action, 1), 1e-7)))


def _seconds(action: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        action()
    return time.perf_counter() - start


# Memory


MEMORY_TARGETS = {"nothing read": 0.3, "its phase": 0.55, "everything": None}
USES: dict[str, Use] = {"nothing read": nothing, "its phase": phase, "everything": everything}


def memory(folder: Path) -> Iterator[Result]:
    """Bytes that a process grows by for each Execution that it keeps."""
    for use, most in MEMORY_TARGETS.items():
        command = [sys.executable, "-m", "benchmarks.codec", "--keep", use, "--stock", str(folder), "--codec"]
        upb, ours, better = (
            float(subprocess.run([*command, codec], check=True, capture_output=True, text=True).stdout)
            for codec in ("upb", "ours", "betterproto2")
        )
        least = None if most is None else 1 / most
        yield Result(
            f"memory of an Execution, {use}", "bytes", upb, ours, better, ours / upb, better / ours, None, least
        )


def keep(codec: str, use: Use) -> float:
    """Decode and keep many Executions; returns what each costs."""
    theirs, old = messages.execution().__class__, stock.twin(admin.Execution)
    parse: Callable[[bytes], Any] = {
        "upb": theirs.FromString,
        "ours": admin.Execution.parse,
        "betterproto2": old.parse,
    }[codec]
    for index in range(10):
        use(parse(messages.execution(index).SerializeToString()))
    data = [messages.execution(index).SerializeToString() for index in range(KEPT_MESSAGES)]
    gc.collect()
    before = _resident()
    kept = [parse(item) for item in data]
    for message in kept:
        use(message)
    gc.collect()
    return (_resident() - before) / len(kept)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


# Output


def show(results: list[Result]) -> None:
    """Print a table."""
    print(f"{'':46}{'upb':>9}{'ours':>9}{'bp2':>9}   ours/upb    bp2/ours")
    for result in results:
        at_most = f"(<={result.most_upb:g})" if result.most_upb else ""
        at_least = f"(>={result.least_betterproto2:.3g})" if result.least_betterproto2 else ""
        print(
            f"{result.name:46}{result.upb:9.1f}{result.ours:9.1f}{result.betterproto2:9.0f}"
            f"{result.to_upb:6.2f} {at_most:6}{result.to_betterproto2:6.1f} {at_least:8}"
            f"{'' if result.met else '  MISSED'}"
        )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description="Measure the codec against upb and betterproto2.")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed")
    parser.add_argument("--only", default="", help="measure the rows whose names contain this")
    parser.add_argument("--keep", choices=USES, help=argparse.SUPPRESS)
    parser.add_argument("--codec", help=argparse.SUPPRESS)
    parser.add_argument("--stock", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)  # betterproto2's own messages warn of what the server set
    if options.keep:
        stock.find(options.stock)
        print(keep(options.codec, USES[options.keep]))
        return
    with tempfile.TemporaryDirectory() as folder:
        stock.generate(Path(folder))
        results = [measure(row) for row in rows() if options.only in row.name]
        if options.only in "memory of an Execution":
            results += memory(Path(folder))
    if options.json:
        print(json.dumps({"results": [{**result._asdict(), "met": result.met} for result in results]}, indent=2))
    else:
        show(results)
    if options.check and not all(result.met for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
