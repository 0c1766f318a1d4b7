"""Queries asked of DuckDB: python ask_duckdb.py < queries.json, a list of SQL texts.

One line of JSON: for each query a list of its rows, each a list of values; dates as they
are written. Files are found from the current folder. Needs the packages of requirements.txt.
"""

import json
import sys

import duckdb

connection = duckdb.connect()
answers = [[list(row) for row in connection.execute(sql).fetchall()] for sql in json.load(sys.stdin)]
print(json.dumps(answers, default=str))
