"""`lsmi_etl.Annotator`, timed: `python annotator.py stream|batches ROWS.parquet BUNDLE` prints one line of JSON."""

import json
import statistics
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
from lsmi_etl import Annotator

PART, INPUT, BUNDLE = sys.argv[1:4]
#: Rows of a batch of the reader, about 4 MiB at 2 x 128.
BATCH_ROWS = 4096


def stream():
    file = pq.ParquetFile(INPUT, memory_map=True)
    with Annotator(BUNDLE, engine="onnxruntime") as annotate:
        # The models are loaded, as the time of `annotate` does not hold its start.
        annotate.schema(file.schema_arrow)
        start, rows = time.perf_counter(), 0
        batches = file.iter_batches(batch_size=BATCH_ROWS)
        for batch in annotate.stream(pa.RecordBatchReader.from_batches(file.schema_arrow, batches)):
            rows += batch.num_rows
        return {"rows_per_second": rows / (time.perf_counter() - start)}


def milliseconds(annotate, batch, rows, calls):
    times = []
    for call in range(calls):
        part = batch.slice(call % (batch.num_rows - rows), rows)
        start = time.perf_counter()
        annotate(part)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def batches():
    batch = next(pq.ParquetFile(INPUT).iter_batches(batch_size=BATCH_ROWS))
    start = time.perf_counter()
    with Annotator(BUNDLE, engine="onnxruntime") as annotate:
        annotate(batch.slice(0, 1))
        first = time.perf_counter() - start
        return {
            "start_seconds": first,
            "one_row_ms": milliseconds(annotate, batch, 1, 1000),
            "thousand_rows_ms": milliseconds(annotate, batch, 1000, 300),
        }


if __name__ == "__main__":
    print(json.dumps({"stream": stream, "batches": batches}[PART]()))
