"""Types into a program on a terminal of its own and watches what it shows.

    python terminal.py COLUMNS PROGRAM ARGUMENT... < steps.json

The steps are a list of objects, done in their order:

    {"type": TEXT}              typed as it is
    {"see": REGEX}              must come, after what the last such step saw
    {"bytes": [BYTE, …]}        typed as they are
    {"type": TEXT, "until": REGEX}   typed once a second until it comes
    {"absent": PATH}            must not be there now

All that was shown, without the terminal's control sequences, goes to stdout at the end,
and the exit code is the program's. A step that fails ends with 99 and says so on stderr.
Needs Python only.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 90
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class Failed(Exception):
    pass


class Terminal:
    def __init__(self, columns, command):
        self.raw = b""
        self.seen = 0
        self.child, self.end = pty.fork()
        if self.child == 0:
            # The program must find its terminal's size when it starts.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execvp(command[0], command)

    def text(self):
        return CONTROL.sub("", self.raw.decode(errors="replace"))

    def read(self, seconds):
        """Whether more may come."""
        if select.select([self.end], [], [], seconds)[0]:
            try:
                part = os.read(self.end, 1 << 16)
            except OSError:
                return False
            self.raw += part
            return bool(part)
        return True

    def see(self, pattern, seconds):
        until = time.monotonic() + seconds
        while True:
            found = re.compile(pattern).search(self.text(), self.seen)
            if found:
                self.seen = found.end()
                return True
            left = until - time.monotonic()
            if left <= 0 or not self.read(min(left, 0.5)):
                # What came last may hold it.
                found = re.compile(pattern).search(self.text(), self.seen)
                self.seen = found.end() if found else self.seen
                return bool(found)

    def step(self, step):
        if "absent" in step and os.path.exists(step["absent"]):
            raise Failed(f"{step['absent']} is there")
        if "until" in step:
            for _ in range(PATIENCE):
                os.write(self.end, step["type"].encode())
                if self.see(step["until"], 1):
                    return
            raise Failed(f"never saw {step['until']}")
        if "bytes" in step:
            os.write(self.end, bytes(step["bytes"]))
        if "type" in step:
            os.write(self.end, step["type"].encode())
        if "see" in step and not self.see(step["see"], PATIENCE):
            raise Failed(f"never saw {step['see']}")


def main():
    terminal = Terminal(int(sys.argv[1]), sys.argv[2:])
    try:
        for step in json.load(sys.stdin):
            terminal.step(step)
        until = time.monotonic() + PATIENCE
        while terminal.read(1) and time.monotonic() < until:
            if os.waitid(os.P_PID, terminal.child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                while terminal.read(0.2) and select.select([terminal.end], [], [], 0)[0]:
                    pass
                break
        if time.monotonic() >= until:
            raise Failed("the program did not end")
        code = os.waitstatus_to_exitcode(os.waitpid(terminal.child, 0)[1])
    except Failed as failure:
        print(failure, file=sys.stderr)
        os.kill(terminal.child, 9)
        code = 99
    print(terminal.text())
    sys.exit(code)


main()
