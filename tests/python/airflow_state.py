"""What Airflow's database holds of a DAG's runs, as one line of JSON."""

import json
import sqlite3
import sys

database, dag = sys.argv[1:]
connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
connection.row_factory = sqlite3.Row


def rows(query, *values):
    return [dict(row) for row in connection.execute(query, values)]


def decoded(value):
    """JSON, which Airflow has encoded once or twice."""
    while isinstance(value, (str, bytes)):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return value


tasks = rows(
    "SELECT task_id, map_index, state, try_number FROM task_instance WHERE dag_id = ? ORDER BY task_id, map_index", dag
)
xcoms = rows("SELECT task_id, map_index, value FROM xcom WHERE dag_id = ? AND key = 'return_value'", dag)
events = rows(
    "SELECT asset.uri, asset_event.extra FROM asset_event JOIN asset ON asset.id = asset_event.asset_id"
    " WHERE asset_event.source_dag_id = ?",
    dag,
)
for xcom in xcoms:
    xcom["value"] = decoded(xcom["value"])
for event in events:
    event["extra"] = decoded(event["extra"])
print(json.dumps({"tasks": tasks, "xcoms": xcoms, "events": events}))
