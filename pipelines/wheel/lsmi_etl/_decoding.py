"""Values of JSON as the dataclasses of :mod:`lsmi_etl.results` and :mod:`lsmi_etl.manifest`.

A field that this version does not know is left out, so that a newer program can be read. A field that is
missing has its default.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lsmi_etl.errors import InternalError

T = TypeVar("T")


def decoded(kind: type[T], value: Any) -> T:
    """An object of JSON as a dataclass.

    Raises :class:`lsmi_etl.errors.InternalError` where it lacks a field, or a field is of another type.
    """
    if not isinstance(value, dict):
        raise InternalError(f"the program printed no {kind.__name__}, but {value!r:.80}; {_UNLIKE}")
    hints = get_type_hints(kind)
    fields = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in value:
            fields[field.name] = _typed(hints[field.name], value[field.name], f"{kind.__name__}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InternalError(f"the program printed a {kind.__name__} without {field.name}; {_UNLIKE}")
    return kind(**fields)


_UNLIKE = "is LSMI_ETL_BIN a program of another version than this package?"


def _typed(hint: Any, value: Any, name: str) -> Any:
    # From Python 3.11 on a class, of which nothing is an instance.
    if hint is Any:
        return value
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decoded(hint, value)
    if origin is list and isinstance(value, list):
        return [_typed(args[0], one, name) for one in value]
    if origin is dict and isinstance(value, dict):
        return {key: _typed(args[1], one, name) for key, one in value.items()}
    if origin is Union:
        if value is None and type(None) in args:
            return None
        kinds = [kind for kind in args if kind is not type(None)]
        return _typed(kinds[0], value, name) if len(kinds) == 1 else value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    # A newer program may have more names than a Literal lists.
    if isinstance(hint, type) and origin is None and not isinstance(value, hint):
        raise InternalError(f"the program printed {value!r:.80} for {name}; {_UNLIKE}")
    return value
