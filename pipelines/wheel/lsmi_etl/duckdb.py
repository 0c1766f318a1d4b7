"""DuckDB: a relation with the columns added, and ``lsmi(x1, x2, y)`` as a function in SQL.

>>> from lsmi_etl.duckdb import annotate, register
>>> annotate(duckdb.read_parquet("in/*.parquet"), "lsmi-bundle").write_parquet("out.parquet")
>>> register(connection, "lsmi-bundle")
>>> connection.sql("SELECT id FROM 'in.parquet' ORDER BY lsmi(x1, x2, y).s DESC LIMIT 10")
"""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lsmi_etl._columns import ColumnFunction
from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import Usage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

__all__ = ["annotate", "register"]


def annotate(
    relation: DuckDBPyRelation,
    bundle: str | os.PathLike[str],
    *,
    connection: DuckDBPyConnection | None = None,
    batch_rows: int = 16384,
    **options: Any,
) -> DuckDBPyRelation:
    """The relation with r, u1, u2, s and ``columns`` added to every row.

    Rows stream through the models when they are asked for, and again when they are asked for again
    (with ``rejects`` once, or with ``overwrite=True``, since each time writes the file). The result
    belongs to ``connection``, or to a new one in memory; the relation's own is busy while its rows are read. Further
    options are those of :class:`lsmi_etl.Annotator`.
    """
    import duckdb

    if not isinstance(relation, duckdb.DuckDBPyRelation):
        raise Usage(f"a {type(relation).__name__} is no relation of DuckDB; duckdb.read_parquet(…) is one of files")
    return (connection or duckdb.connect()).from_arrow(_Annotated(relation, batch_rows, Annotator(bundle, **options)))


class _Annotated:
    """A relation as Arrow streams, a new one for each query."""

    def __init__(self, relation: DuckDBPyRelation, batch_rows: int, annotator: Annotator) -> None:
        self._relation = relation
        self._batch_rows = batch_rows
        self._annotator = annotator
        self._schema = annotator.schema(relation.limit(0).to_arrow_table().schema)

    def __arrow_c_schema__(self) -> object:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        rows = self._relation.to_arrow_reader(self._batch_rows)
        return self._annotator.stream(rows).__arrow_c_stream__(requested_schema)


def register(
    connection: DuckDBPyConnection, bundle: str | os.PathLike[str], *, name: str = "lsmi", **options: Any
) -> None:
    """Makes the models a function of SQL: ``lsmi(x1, x2, y)`` is a struct with r, u1, u2, s and ``columns``.

    Its arguments are the embeddings of all modalities in the bundle's order, ``FLOAT[]`` or a type that is cast to it,
    and the label. Each field is a function, too, whose name ends with the field's: ``lsmi_r(x1, x2, y)``,
    and ``lsmi_i12`` with ``columns=["i12"]``. The options are those of
    :class:`lsmi_etl.Annotator`. A second call replaces the functions of that name.
    """
    import duckdb
    from duckdb.func import ARROW, SPECIAL

    if not isinstance(connection, duckdb.DuckDBPyConnection):
        raise Usage(f"a {type(connection).__name__} is no connection of DuckDB; register(connection, bundle)")
    function = ColumnFunction(bundle, options)
    arguments = [duckdb.list_type("FLOAT")] * (len(function.names) - (function.label_type is not None))
    if function.label_type is not None:
        arguments.append(duckdb.sqltype(_SQL_TYPES[str(function.label_type)]))
    fields = {field.name: duckdb.sqltype(_SQL_TYPES[str(field.type)]) for field in function.type}

    def evaluate(*columns: pa.ChunkedArray) -> pa.Array:
        return function(*columns)

    # DuckDB counts the parameters.
    places = [inspect.Parameter(f"a{place}", inspect.Parameter.POSITIONAL_ONLY) for place in range(len(arguments))]
    evaluate.__signature__ = inspect.Signature(places)  # type: ignore[attr-defined]
    # Rows with nulls have a fate of their own, as elsewhere.
    with suppress(duckdb.InvalidInputException):
        connection.remove_function(name)
    connection.create_function(name, evaluate, arguments, duckdb.struct_type(fields), type=ARROW, null_handling=SPECIAL)
    parameters = ", ".join(place.name for place in places)
    quoted = name.replace('"', '""')
    for field in fields:
        value = f'struct_extract("{quoted}"({parameters}), \'{field}\')'
        connection.execute(f'CREATE OR REPLACE TEMP MACRO "{quoted}_{field}"({parameters}) AS {value}')


_SQL_TYPES = {"bool": "BOOLEAN", "int64": "BIGINT", "string": "VARCHAR", "float": "FLOAT", "int32": "INTEGER"}
