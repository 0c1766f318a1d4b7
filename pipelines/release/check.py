"""Checks what was compiled to be shipped: ``python3 pipelines/release/check.py FILE...``

No file names a folder of this machine, and none needs a newer glibc than the floor that ``compile.sh`` sets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from recipes import oldest_glibc, stop

REPOSITORY = Path(__file__).resolve().parents[2]
#: The minor version of glibc 2.
FLOOR = 28


def folders() -> list[str]:
    """The folders for which ``compile.sh`` has other names."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, stdout=subprocess.PIPE, text=True)
    home = os.environ.get("CARGO_HOME", Path.home() / ".cargo")
    build = os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")
    return [sysroot.stdout.strip(), str(home), str(REPOSITORY), str(Path(build).resolve())]


def main() -> None:
    """Checks all files."""
    named = folders()
    for path in sys.argv[1:]:
        program = Path(path).read_bytes()
        for folder in named:
            if f"{folder}/".encode() in program:
                stop(f"{path} names the folder {folder}; give it another name in pipelines/release/compile.sh", 70)
        glibc = oldest_glibc(program)
        if glibc is not None and int(glibc.split(".")[1]) > FLOOR:
            stop(f"{path} needs glibc {glibc}, but the floor is 2.{FLOOR}; compile it with compile.sh", 70)


if __name__ == "__main__":
    main()
