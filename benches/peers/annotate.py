"""What a careful engineer would write: pyarrow reads record batches, ONNX Runtime runs the
same fused graph that lsmi-etl runs, numpy does the arithmetic, pyarrow writes all columns
and the four new ones. Reading and writing each have a thread of their own beside the
engine's; pyarrow and ONNX Runtime let go of the interpreter's lock.

    python annotate.py IN.parquet OUT.parquet --graph fused.onnx --bundle DIR [--threads N]

Prints one line of JSON: rows and rows a second, from opening the input to the output on disk.
"""

import argparse
import json
import os
import pathlib
import queue
import threading
import time

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq


def embeddings(column):
    """[n, d] f32, without a copy."""
    values = column.flatten().to_numpy(zero_copy_only=True)
    return values.reshape(len(column), -1)


def decompose(h1, h2, log_p1, log_p2, log_p12, log_prior):
    """r, u1, u2, s of each row, by the clamp."""
    h1, h2 = h1.ravel().astype(np.float64), h2.ravel().astype(np.float64)
    i1, i2, i12 = (p.ravel().astype(np.float64) - log_prior for p in (log_p1, log_p2, log_p12))
    first = i1 >= i2
    high, low = np.where(first, i1, i2), np.where(first, i2, i1)
    gap = np.where(first, h1 - h2, h2 - h1)
    r = high - np.clip(gap, 0, high - low)
    return [a.astype(np.float32) for a in (r, i1 - r, i2 - r, i12 - i1 - i2 + r)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--graph", required=True)
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-bytes", type=int, default=4 << 20)
    args = parser.parse_args()

    label = json.loads((args.bundle / "bundle.json").read_text())["label"]
    log_prior = np.log(label["prior"])
    pa.set_cpu_count(args.threads)
    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = ort.InferenceSession(args.graph, options, providers=["CPUExecutionProvider"])

    start = time.perf_counter()
    source = pq.ParquetFile(args.input, memory_map=True)
    schema = source.schema_arrow
    dims = [schema.field(name).type.list_size for name in ("x1", "x2")]
    batch_rows = max(256, args.batch_bytes // (4 * sum(dims)))
    new = [pa.field(name, pa.float32()) for name in ("r", "u1", "u2", "s")]
    extended = pa.schema([*schema, *new])
    group_rows = source.metadata.row_group(0).num_rows
    # As the input is written: plain and uncompressed, no statistics of single floats.
    writer = pq.ParquetWriter(
        args.output, extended, compression="none", use_dictionary=["y"], write_statistics=["y", "r", "u1", "u2", "s"]
    )

    def read(into):
        for batch in source.iter_batches(batch_size=batch_rows, use_threads=True):
            into.put(batch)
        into.put(None)

    def write(waiting):
        held, rows = [], 0
        while (batch := waiting.get()) is not None:
            held.append(batch)
            rows += len(batch)
            if rows >= group_rows:
                writer.write_table(pa.Table.from_batches(held), row_group_size=rows)
                held, rows = [], 0
        if held:
            writer.write_table(pa.Table.from_batches(held), row_group_size=rows)

    read_batches, done_batches = queue.Queue(4), queue.Queue(4)
    threads = [
        threading.Thread(target=read, args=(read_batches,)),
        threading.Thread(target=write, args=(done_batches,)),
    ]
    for thread in threads:
        thread.start()
    rows = 0
    while (batch := read_batches.get()) is not None:
        y = batch["y"].to_numpy()
        feed = {"x1": embeddings(batch["x1"]), "x2": embeddings(batch["x2"]), "y": y.reshape(-1, 1)}
        h1, h2, *log_p = session.run(["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"], feed)
        parts = decompose(h1, h2, *log_p, log_prior[y])
        columns = [*batch.columns, *map(pa.array, parts)]
        done_batches.put(pa.RecordBatch.from_arrays(columns, schema=extended))
        rows += len(batch)
    done_batches.put(None)
    for thread in threads:
        thread.join()
    writer.close()
    with open(args.output, "rb") as out:
        os.fsync(out.fileno())
    seconds = time.perf_counter() - start
    print(json.dumps({"rows": rows, "seconds": seconds, "rows_per_second": rows / seconds}))


if __name__ == "__main__":
    main()
