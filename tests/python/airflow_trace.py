"""What the provider hands on to the program from a task's span, and makes of its lines: one line of JSON."""

import json

from airflow_provider_lsmi_etl.process import Process, logged, trace
from opentelemetry.sdk.trace import TracerProvider

outside = trace()
with TracerProvider().get_tracer("tests").start_as_current_span("task") as span:
    context = span.get_span_context()
    _, printed = Process(["sh", "-c", "echo $TRACEPARENT"], env=trace()).run(print)
lines = [
    " WARN 5 rows have no values",
    '{"timestamp":"2026-02-01T00:00:00Z","level":"ERROR","message":"no such input"}',
    "{neither}",
]
print(
    json.dumps(
        {
            "outside": outside,
            "expected": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
            "inside": printed.strip(),
            "logged": [logged(line) for line in lines],
        }
    )
)
