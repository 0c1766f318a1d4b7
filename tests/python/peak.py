"""Runs a program and says on stderr how much memory it had at most, in bytes.

    python peak.py PROGRAM ARGUMENT...

The last line of stderr is the figure; everything else, the exit code too, is the program's.
Needs Python only, on Linux.
"""

import os
import sys

child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss * 1024, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
