"""A Spark job on two executors in which a Python worker, and an executor of another, are killed.

    python spark_kills.py IN OUT BUNDLE FOLDER

Each is killed once, after a batch of a task has been annotated: FOLDER has a file for each that was. The job must end
with all rows.
"""

import os
import pathlib
import signal
import sys

from pyspark.sql import SparkSession

from lsmi_etl import spark as lsmi_spark


def parent(pid):
    """The parent of a process."""
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def once(folder, victim):
    """Whether it is this process that does it."""
    try:
        os.close(os.open(os.path.join(folder, victim), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def java(pid):
    """The executor that this Python worker belongs to."""
    while "java" not in pathlib.Path(f"/proc/{pid}/comm").read_text():
        pid = parent(pid)
    return pid


def killing(annotate_batches, folder):
    def batches_and_kills(batches):
        from pyspark import TaskContext

        # Two of the tasks, the first time that they run.
        victims = {1: "worker", 3: "executor"}
        victim = victims.get(TaskContext.get().partitionId())
        for batch in annotate_batches(batches):
            yield batch
            if victim and once(folder, victim):
                os.kill(os.getpid() if victim == "worker" else java(os.getpid()), signal.SIGKILL)

    return batches_and_kills


def main():
    source, target, bundle, folder = sys.argv[1:]
    # Small batches, so that each task has many.
    builder = SparkSession.builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", 50)
    spark = builder.getOrCreate()
    df = spark.read.parquet(source).repartition(6)
    sent = lsmi_spark.send(spark, bundle)
    annotate_batches = killing(lsmi_spark.annotator(sent, columns=["i1", "i2", "i12"]), folder)
    df.mapInArrow(annotate_batches, lsmi_spark.schema(df, bundle, columns=["i1", "i2", "i12"])).write.parquet(target)
    spark.stop()
    killed = sorted(os.listdir(folder))
    assert killed == ["executor", "worker"], killed
    print("killed:", *killed)


if __name__ == "__main__":
    main()
