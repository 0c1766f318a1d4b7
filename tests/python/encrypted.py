"""Encrypted Parquet files, and whether other files are these with columns appended.

    python encrypted.py write DIR            writes NAME.parquet, NAME.json (its keys) and the
                                             same rows in the open, plain_NAME.parquet
    python encrypted.py refused DIR          writes files that must be refused, and their keys
    python encrypted.py check DIR NAME OUT PLAIN_OUT
                                             reads OUT, made of NAME.parquet, with pyarrow through
                                             the same keys (and with DuckDB, where there is one key)
                                             and compares it with PLAIN_OUT, made of the plain file

Needs the packages of requirements.txt.
"""

import base64
import datetime
import json
import pathlib
import sys

import duckdb
import pyarrow
import pyarrow.parquet
import pyarrow.parquet.encryption as encryption

from make_files import rich, samples

KEY = b"0123456789012345"
PREFIX = "table 7"
NEW = ["r", "u1", "u2", "s"]


class Service(encryption.KmsClient):
    """Wraps keys in base64, and remembers them by the names of those that wrap them."""

    wrapped = {}

    def wrap_key(self, key_bytes, master_key_identifier):
        self.wrapped[master_key_identifier] = key_bytes.hex()
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return base64.b64decode(wrapped_key)


FACTORY = encryption.CryptoFactory(lambda configuration: Service())

# name: rows, options of one key, or of a key service
FILES = {
    "one_key": (lambda: pyarrow.table(samples(700)), {}, None),
    "open_footer": (lambda: pyarrow.table(samples(700)), {"plaintext_footer": True}, None),
    "prefix": (lambda: pyarrow.table(samples(700)), {"aad_prefix": PREFIX.encode(), "store_aad_prefix": False}, None),
    "rich": (lambda: rich(700), {}, None),
    "service": (lambda: pyarrow.table(samples(700, "list")), None, {"plaintext_footer": False}),
    "service_open_footer": (lambda: pyarrow.table(samples(700, "list")), None, {"plaintext_footer": True}),
}
COLUMN_KEYS = {"of label": ["label"], "of x1": ["x1.list.element"], "of x2": ["x2.list.element"]}


def write(folder):
    for name, (make, direct, service) in FILES.items():
        table = make()
        options = {"row_group_size": 300, "compression": "zstd", "data_page_size": 4000}
        # The checksum of an encrypted page is that of its encrypted bytes.
        options["write_page_checksum"] = name not in ["rich", "prefix"]
        pyarrow.parquet.write_table(table, folder / f"plain_{name}.parquet", **options)
        keys = {}
        if service is None:
            properties = encryption.create_encryption_properties(footer_key=KEY, **direct)
            keys["footer_key"] = KEY.hex()
            if not direct.get("store_aad_prefix", True):
                keys["aad_prefix"] = PREFIX
        else:
            configuration = encryption.EncryptionConfiguration(
                footer_key="of footer", column_keys=COLUMN_KEYS, double_wrapping=False, **service)
            properties = FACTORY.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
            keys["footer_key"] = Service.wrapped["of footer"]
            keys["column_keys"] = {leaf: Service.wrapped[of] for of, [leaf] in COLUMN_KEYS.items()}
        path = folder / f"{name}.parquet"
        pyarrow.parquet.write_table(table, path, encryption_properties=properties, **options)
        (folder / f"{name}.json").write_text(json.dumps(keys))


def refused(folder):
    table = pyarrow.table(samples(50))
    old = table.append_column("when", pyarrow.array([datetime.datetime(2024, 1, 1)] * 50, pyarrow.timestamp("ns")))
    properties = encryption.create_encryption_properties(footer_key=KEY)
    pyarrow.parquet.write_table(
        old, folder / "int96.parquet", encryption_properties=properties, use_deprecated_int96_timestamps=True)
    properties = encryption.create_encryption_properties(footer_key=KEY, encryption_algorithm="AES_GCM_CTR_V1")
    pyarrow.parquet.write_table(table, folder / "ctr.parquet", encryption_properties=properties)
    connection = duckdb.connect()
    connection.execute("SET force_mbedtls_unsafe = 'true'")
    connection.execute(f"PRAGMA add_parquet_key('key', '{KEY.decode()}')")
    connection.register("rows", table)
    connection.execute(f"COPY rows TO '{folder}/duckdb.parquet' (FORMAT parquet, ENCRYPTION_CONFIG {{footer_key: 'key'}})")
    (folder / "keys.json").write_text(json.dumps({"footer_key": base64.b64encode(KEY).decode()}))


def check(folder, name, out, plain_out):
    _, direct, service = FILES[name]
    if service is None:
        prefix = {key: value for key, value in direct.items() if key == "aad_prefix"}
        properties = encryption.create_decryption_properties(footer_key=KEY, **prefix)
    else:
        properties = FACTORY.file_decryption_properties(
            encryption.KmsConnectionConfig(), encryption.DecryptionConfiguration())
    try:
        pyarrow.parquet.read_table(out)
        raise AssertionError(f"{out} can be read without a key")
    except (OSError, pyarrow.ArrowInvalid):
        pass
    file = pyarrow.parquet.ParquetFile(out, decryption_properties=properties)
    written, plain = file.read(), pyarrow.parquet.read_table(plain_out)
    source = pyarrow.parquet.read_table(folder / f"plain_{name}.parquet")
    assert written.schema.names == source.schema.names + NEW, written.schema.names
    for field, column in zip(written.schema, written.columns):
        assert field.equals(plain.schema.field(field.name), check_metadata=True), (field, plain.schema.field(field.name))
        same = column.equals(plain.column(field.name)) or column.to_pylist().__repr__() == plain.column(field.name).to_pylist().__repr__()
        assert same, field.name
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [300, 300, 100]
    values = {key: value for key, value in file.metadata.metadata.items() if key.startswith(b"lsmi_etl.")}
    assert values[b"lsmi_etl.written"] == b"re-encoded", values
    if b"lsmi_etl.columns" in values and (direct or service or {}).get("plaintext_footer"):
        assert set(json.loads(values[b"lsmi_etl.columns"]).values()) == {None}, "means in an open footer"
    compressions = {file.metadata.row_group(0).column(i).compression for i in range(file.metadata.num_columns)}
    assert compressions == {"ZSTD"}, compressions
    if service is None and not direct:
        connection = duckdb.connect()
        connection.execute(f"PRAGMA add_parquet_key('key', '{KEY.decode()}')")
        query = "SELECT count(*), sum(id), sum(r), min(s) FROM "
        found = connection.execute(f"{query} read_parquet('{out}', encryption_config = {{footer_key: 'key'}})").fetchall()
        assert found == connection.execute(f"{query} '{plain_out}'").fetchall(), found


def main():
    command, folder, *rest = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    {"write": write, "refused": refused, "check": check}[command](folder, *rest)


if __name__ == "__main__":
    main()
