"""The exceptions of this package, one for each exit code of the program.

Every one is an :class:`LsmiError`, so that ``except LsmiError`` catches them all. The table of exit
codes is in the README.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "BadBundle",
    "BadData",
    "EngineUnavailable",
    "InternalError",
    "Interrupted",
    "IoError",
    "LsmiError",
    "NoInput",
    "OutputExists",
    "ProgramDied",
    "Usage",
    "error_of",
    "of_package",
]


class LsmiError(Exception):
    """A failure of lsmi-etl.

    ``message`` is the program's own and ends with the remedy. ``code`` is its exit code; below zero it is
    the number of the signal that ended it. ``place`` says which file, row group and column the failure is
    about, where that is known. ``summary`` is that of a run which failed only because files were bad, as a
    dictionary.
    """

    code: int = 70
    summary: dict[str, Any] | None = None

    def __init__(self, message: str, *, code: int | None = None, place: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = type(self).code if code is None else code
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword arguments are not among `args`, by which exceptions are pickled.
        return _unpickled, (type(self), self.message, self.code, self.place)


class Usage(LsmiError):
    """An argument or option is invalid, or contradicts another one."""

    code = 64


class BadData(LsmiError):
    """An input has invalid content, or more bad rows than the run was told to bear."""

    code = 65


class NoInput(LsmiError):
    """An input does not exist, or cannot be opened."""

    code = 66


class EngineUnavailable(LsmiError):
    """No engine can run the models on the requested device."""

    code = 69


class InternalError(LsmiError):
    """A fault of lsmi-etl itself."""

    code = 70


class ProgramDied(InternalError):
    """The program was ended by a signal, or by something that is not in the table of exit codes."""


class OutputExists(LsmiError):
    """The output exists, or cannot be created."""

    code = 73


class IoError(LsmiError):
    """A read or write failed."""

    code = 74


class Interrupted(LsmiError):
    """The run was interrupted, or something temporary failed: run again, and it resumes."""

    code = 75


class BadBundle(LsmiError):
    """The bundle of models, or a setting, is invalid."""

    code = 78


_BY_CODE: dict[int, type[LsmiError]] = {
    kind.code: kind
    for kind in (
        Usage,
        BadData,
        NoInput,
        EngineUnavailable,
        InternalError,
        OutputExists,
        IoError,
        Interrupted,
        BadBundle,
    )
}


def error_of(code: int, message: str, place: str | None = None) -> LsmiError:
    """The exception of an exit code. The program's words for options and rows become those of this package: flags
    are named as options, and its stdin is the data."""
    if message.startswith("error: "):
        message = _of_arguments(message)
    place = None if place is None else _STDIN.sub("the data", place)
    return _BY_CODE.get(code, ProgramDied)(of_package(message), code=code, place=place)


_STDIN = re.compile(r"^stdin\b")
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)(?: (?=[A-Z]{2}[A-Z_]*\b))?")
#: Commands stand between backticks, or after a colon and up to the end of the clause.
_COMMAND = re.compile(r"(`[^`]*`|\blsmi-etl [a-z]+ (?:\"[^\"]*\"|'[^']*'|[^;\n])*)")


def _of_arguments(text: str) -> str:
    """What the parser of arguments prints, on one line: without the usage, which names flags and not options, and
    without the placeholders of their values."""
    text = re.split(r"\n\nUsage:|\n\nFor more information", text)[0].removeprefix("error: ")
    text = re.sub(r"'(--[\w-]+)[ =\[]*<[^']*'", r"'\1'", text)
    text = re.sub(r"\n\s*(?:tip: |\[(?=possible values))", "; ", text)
    return re.sub(r"\s+", " ", text).replace("]; ", "; ").removesuffix("]").strip()


def of_package(message: str) -> str:
    """The program's words for options and rows as those of this package."""
    parts = _COMMAND.split(_STDIN.sub("the data", message))
    parts[::2] = [_FLAG.sub(_option, part) for part in parts[::2]]
    return "".join(parts)


def _option(flag: re.Match[str]) -> str:
    """A flag as an option; before the placeholder of a value, as it is given: ``bundle=DIR``."""
    return flag[1].replace("-", "_") + ("=" if flag[0].endswith(" ") else "")


def _unpickled(kind: type[LsmiError], message: str, code: int, place: str | None) -> LsmiError:
    return kind(message, code=code, place=place)
