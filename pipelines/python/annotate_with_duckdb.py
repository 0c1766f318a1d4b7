"""Annotates a Parquet file with DuckDB, and asks for the rows of the most synergy by SQL alone.

python annotate_with_duckdb.py IN OUT BUNDLE
"""

import sys

import duckdb

from lsmi_etl import Bundle
from lsmi_etl.duckdb import annotate, register

source, target, bundle = sys.argv[1:]
annotate(duckdb.read_parquet(source), bundle, columns=["i1", "i2", "i12"]).write_parquet(target)

connection = duckdb.connect()
register(connection, bundle)
manifest = Bundle.open(bundle).manifest
label, *columns = (f'"{of.column}"' for of in (manifest.label, *manifest.modalities))
s = f"lsmi({', '.join([*columns, label])}).s AS s"
connection.sql(f"SELECT {label}, {s} FROM '{source}' ORDER BY s DESC LIMIT 3").show()
