"""Displays of a run's progress: a line on a terminal, a bar in a notebook.

The program tells its progress as lines of JSON on stderr, with the numbers ``done`` and ``total``.
"""

from __future__ import annotations

import html
import shutil
import sys
from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Display", "display"]

#: Seconds between two events of a run whose progress is drawn.
INTERVAL_SECONDS = 0.25
#: Characters of a bar on a terminal.
BAR = 24


class Display(Protocol):
    """A place where progress is drawn."""

    def record(self, record: Mapping[str, Any]) -> None:
        """Draws a log line of the program. A warning is logged after this call."""

    def close(self) -> None:
        """Removes what is drawn."""


def display() -> Display | None:
    """The display of this process: a notebook's, where this is its kernel, else stderr if it is a terminal."""
    if _is_notebook():
        return NotebookDisplay()
    try:
        is_terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):
        # No stderr, as under pythonw, or a closed one.
        return None
    return TerminalDisplay() if is_terminal else None


class TerminalDisplay:
    """The last line of a terminal."""

    def __init__(self) -> None:
        self._is_drawn = False

    def record(self, record: Mapping[str, Any]) -> None:
        if record.get("level") != "INFO":
            self.close()
            return
        width = shutil.get_terminal_size().columns - 1
        text = _text(record)
        share = _share(record)
        if share is None:
            text = text[:width]
        else:
            filled = round(share * BAR)
            bar = f"[{'#' * filled}{'.' * (BAR - filled)}] "
            # Of a long line the end, where the numbers are, from a whole word on.
            room = max(0, width - len(bar))
            if len(text) > room:
                text = text[len(text) - room - 1 :].partition(" ")[2]
            text = bar[:width] + text
        self._write(f"\r\x1b[K{text}")
        self._is_drawn = True

    def close(self) -> None:
        if self._is_drawn:
            self._write("\r\x1b[K")
            self._is_drawn = False

    def _write(self, text: str) -> None:
        encoding = getattr(sys.stderr, "encoding", None) or "ascii"
        sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
        sys.stderr.flush()


class NotebookDisplay:
    """An output of the cell that runs, which is updated."""

    def __init__(self) -> None:
        from IPython import display

        # Its functions have no types.
        output: Any = display
        self._html = output.HTML
        # Made here, on the thread of the cell: its updates may come from another one.
        self._handle = output.display(self._html(""), display_id=True)

    def record(self, record: Mapping[str, Any]) -> None:
        if record.get("level") != "INFO":
            return
        share = _share(record)
        bar = "" if share is None else f'<progress max="1" value="{share:.4f}"></progress> '
        self._handle.update(self._html(f"<div>{bar}{html.escape(_text(record))}</div>"))

    def close(self) -> None:
        self._handle.update(self._html(""))


def _is_notebook() -> bool:
    """Whether this is the kernel of a notebook. IPython is not imported for that."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def _text(record: Mapping[str, Any]) -> str:
    return " ".join(str(record.get("message", "")).split())


def _share(record: Mapping[str, Any]) -> float | None:
    done, total = record.get("done"), record.get("total")
    if isinstance(done, int) and isinstance(total, int) and total > 0:
        return min(1.0, done / total)
    return None
