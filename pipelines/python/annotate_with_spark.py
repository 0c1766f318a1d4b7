"""Annotates Parquet files on a Spark cluster.

    spark-submit annotate_with_spark.py IN OUT BUNDLE

IN and OUT are what Spark reads and writes. The bundle is a folder of this machine, which is sent to the executors, or a
URL. lsmi-etl[python] is installed where the executors run.
"""

import sys

from pyspark.sql import SparkSession

from lsmi_etl.spark import annotate

source, target, bundle = sys.argv[1:]
spark = SparkSession.builder.appName("lsmi-etl").getOrCreate()
annotate(spark.read.parquet(source), bundle, columns=["i1", "i2", "i12"]).write.parquet(target)
spark.stop()
