"""``python -m lsmi_etl``: the program, as if typed."""

import os
import subprocess
import sys

from lsmi_etl import find_lsmi_etl_bin

if __name__ == "__main__":
    command = [find_lsmi_etl_bin(), *sys.argv[1:]]
    if os.name == "nt":
        sys.exit(subprocess.run(command, check=False).returncode)
    # In place of this process: signals and the exit code are the program's.
    os.execv(command[0], command)
