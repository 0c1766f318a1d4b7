"""A folder that Spark has written, annotated by the program and read by Spark, which goes by a schema of its own, and
annotated by Spark once more.

    python spark_reads.py IN BUNDLE PROGRAM
"""

import subprocess
import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import lit

from lsmi_etl.spark import annotate

rows, bundle, program = sys.argv[1:]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.read.parquet(rows).select("x1", "x2", "y").limit(200).coalesce(1).write.parquet("of-spark")
command = [program, "annotate", "--bundle", bundle, "--columns"]
subprocess.run([*command, "i1,fold", "of-spark", "annotated"], check=True)
annotated = spark.read.parquet("annotated")
assert annotated.columns == ["x1", "x2", "y", "r", "u1", "u2", "s", "i1", "fold"], annotated.columns
assert annotated.schema["fold"].dataType.typeName() == "integer", annotated.schema
assert annotated.schema["r"].metadata["comment"].startswith("redundancy"), annotated.schema["r"].metadata
assert annotated.filter("r IS NOT NULL").count() == 200
subprocess.run([*command, "i2", "--replace-columns", "annotated", "again"], check=True)
again = spark.read.parquet("again")
assert again.columns == ["x1", "x2", "y", "r", "u1", "u2", "s", "i2"], again.columns
assert again.filter("i2 IS NOT NULL").count() == 200
old = annotated.withColumn("r", lit(-99.0))
anew = annotate(old, bundle, replace_columns=True)
assert anew.columns == ["x1", "x2", "y", "i1", "fold", "r", "u1", "u2", "s"], anew.columns
assert anew.select("r", "s").collect() == annotated.select("r", "s").collect()
print("Spark reads all columns")
