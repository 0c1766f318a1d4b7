"""Annotates Parquet files with polars' streaming engine.

python annotate_with_polars.py IN OUT BUNDLE
"""

import sys

import polars as pl

from lsmi_etl.polars import annotate, parquet_options

source, target, bundle = sys.argv[1:]
options = {"columns": ["i1", "i2", "i12"]}
rows = pl.scan_parquet(source)
# By these options the file says what its new columns are.
annotate(rows, bundle, **options).sink_parquet(target, **parquet_options(rows, bundle, **options))
