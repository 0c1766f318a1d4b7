"""A notebook in a kernel of Jupyter: progress is drawn, a run is interrupted and goes on, a report is shown.

Arguments: the input, the bundle. What the cells showed is printed as JSON.
"""

import asyncio
import json
import os
import sys
import threading
import time

import nbclient
from nbformat.v4 import new_code_cell, new_notebook

source, bundle = sys.argv[1:]
# Small batches make it slow.
CALL = f"lsmi_etl.annotate({source!r}, 'out.parquet', bundle={bundle!r}, batch_rows=16, workers=1)"
CELLS = [
    "import lsmi_etl",
    f"summary = {CALL}",
    f"summary = {CALL}\nsummary.resumed_rows",
    "lsmi_etl.report('out.parquet')",
    "lsmi_etl.sql(\"SELECT count(*) AS n FROM 'out.parquet'\").read_all().to_pylist()",
]
JOURNAL = ".out.parquet.lsmi-journal"


class Client(nbclient.NotebookClient):
    """A client that keeps what is drawn and drawn over."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data"):
            drawn.append(msg["content"]["data"].get("text/html", ""))
        return super().process_message(msg, cell, cell_index)


def interrupt():
    while not (os.path.exists(JOURNAL) and os.path.getsize(JOURNAL) > 100_000):
        time.sleep(0.01)
    asyncio.run(client.km.interrupt_kernel())


drawn = []
notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
client = Client(notebook, timeout=600, kernel_name="python3", allow_errors=True)
# The interruption of the second cell, as by the button of the notebook.
interrupter = threading.Thread(target=interrupt, daemon=True)
interrupter.start()
client.execute()


def output(cell):
    [*_, last] = cell["outputs"]
    if last["output_type"] == "error":
        return last["ename"]
    return last["data"].get("text/html") or last["data"]["text/plain"]


print(
    json.dumps(
        {
            "bars": [text for text in drawn if "<progress" in text],
            "last": drawn[-1],
            "interrupted": output(notebook.cells[1]),
            "resumed_rows": int(output(notebook.cells[2])),
            "report": output(notebook.cells[3]),
            "rows": output(notebook.cells[4]),
        }
    )
)
