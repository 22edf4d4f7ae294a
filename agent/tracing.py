"""Every span and attribute name, after OpenTelemetry's GenAI conventions (v1.41), and the local exporter.

Message text is never in a trace: it holds names, sizes and times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from memory.traces import SpanRow, Traces

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOOL_NAME = "gen_ai.tool.name"
TOOL_CALL = "gen_ai.tool.call.id"
ERROR_TYPE = "error.type"
PROMPTS = "tutor.prompts"
STATUS = "tutor.status"
CONFIDENCE = "tutor.grounding.confidence"
EVIDENCE = "tutor.evidence.passages"
QUERY_CHARS = "tutor.query.chars"

INVOKE_AGENT, CHAT, EXECUTE_TOOL, RETRIEVAL = "invoke_agent", "chat", "execute_tool", "retrieval"


class Tracer:
    """Opens spans; finished ones wait in memory and go to the home at the end of a turn, in one transaction."""

    def __init__(self, traces: Traces, otlp_endpoint: str | None = None) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor

        self.exporter = HomeExporter(traces)
        # No resource detectors: they cost start-up time and look at the machine.
        self._provider = TracerProvider(resource=Resource({"service.name": "tutor"}), shutdown_on_exit=False)
        # It has an exporter's three methods; inheriting them would import the SDK with this module.
        self._provider.add_span_processor(SimpleSpanProcessor(cast(Any, self.exporter)))
        if otlp_endpoint:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("tutor")

    def start(self, operation: str, name: str, attributes: Mapping[str, Any] | None = None, parent: Any = None) -> Any:
        """A span that the caller ends."""
        from opentelemetry.trace import set_span_in_context

        context = set_span_in_context(parent) if parent is not None else None
        return self._tracer.start_span(f"{operation} {name}".strip(), context, attributes={OPERATION: operation, **(attributes or {})})

    @contextmanager
    def span(self, operation: str, name: str, attributes: Mapping[str, Any] | None = None, parent: Any = None) -> Iterator[Any]:
        """A span called "{operation} {name}". `parent` is another span, since turns interleave on one event loop."""
        from opentelemetry.trace import Status, StatusCode

        span = self.start(operation, name, attributes, parent)
        try:
            yield span
        except BaseException as error:
            span.set_attribute(ERROR_TYPE, type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()

    def flush(self) -> None:
        self.exporter.write()

    def close(self) -> None:
        self.exporter.write()
        self._provider.shutdown()


class HomeExporter:
    """Keeps finished spans until `write` puts them into the home."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._waiting: list[SpanRow] = []

    def export(self, spans: Sequence[ReadableSpan]) -> Any:
        from opentelemetry.sdk.trace.export import SpanExportResult

        self._waiting.extend(_row(span) for span in spans)
        return SpanExportResult.SUCCESS

    def write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._traces.add(waiting)

    def shutdown(self) -> None:
        return None

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


def trace_id(span: Any) -> str:
    return format(span.get_span_context().trace_id, "032x")


def _row(span: ReadableSpan) -> SpanRow:
    context = span.get_span_context()
    assert context is not None
    return SpanRow(format(context.trace_id, "032x"), format(context.span_id, "016x"),
                   format(span.parent.span_id, "016x") if span.parent else None, span.name, span.start_time or 0,
                   span.end_time or 0, span.status.status_code.name,
                   {key: list(value) if isinstance(value, tuple) else value for key, value in (span.attributes or {}).items()})
