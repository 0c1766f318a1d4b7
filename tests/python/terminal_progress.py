"""A run from Python on a pseudo-terminal, and what it draws there.

Arguments: Python, the input, the bundle. The lines that were drawn over each other are printed as JSON.
"""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios

python, source, bundle = sys.argv[1:]
CODE = """
import lsmi_etl, sys
lsmi_etl.annotate(sys.argv[1], "out.parquet", bundle=sys.argv[2], batch_rows=16, workers=1)
print("done", end="")
"""

ours, theirs = pty.openpty()
fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
process = subprocess.Popen(
    [python, "-c", CODE, source, bundle], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
)
os.close(theirs)
drawn = b""
while True:
    try:
        chunk = os.read(ours, 65536)
    except OSError:
        # The other end is closed.
        break
    if not chunk:
        break
    drawn += chunk
assert process.wait() == 0, drawn.decode()
print(json.dumps({"lines": drawn.decode().split("\r\x1b[K")}))
