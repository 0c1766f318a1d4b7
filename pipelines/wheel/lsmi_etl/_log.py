"""The log of the program and of the native module, as records of the logger ``lsmi_etl``."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from lsmi_etl.errors import of_package

__all__ = ["log_record", "printable", "record_of"]

log = logging.getLogger("lsmi_etl")

#: An error becomes an exception.
_LEVELS = {"ERROR": logging.DEBUG, "WARN": logging.WARNING, "INFO": logging.INFO}
#: C0 and C1 controls, line separators and the controls of bidirectional text.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def record_of(line: str) -> dict[str, Any] | None:
    """The record of a line of the log: ``level``, ``message`` and other fields. ``None`` of any other line."""
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or "message" not in record:
        return None
    record["message"] = printable(str(record["message"]))
    return record


def log_record(record: dict[str, Any]) -> None:
    """Hands a record to the logger, in the words of this package."""
    log.log(_LEVELS.get(str(record.get("level")), logging.DEBUG), "%s", of_package(record["message"]))


def printable(text: str) -> str:
    """Text in which what a terminal obeys is escaped; line feeds and tabs are kept.

    Text lines of the program are, lines of JSON hold what is in the data.
    """
    return _CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text)
