"""Record batches through the models, in this process and without a copy; in Rust."""

from collections.abc import Sequence

import pyarrow as pa

__version__: str

def take_log_lines() -> list[str]:
    """The lines of the log since the last call, each a JSON object."""

class Models:
    """The models of a bundle with the options of ``annotate``, for any number of channels."""

    def __init__(self, flags: Sequence[str], program: str | None) -> None: ...
    def columns_read(self) -> list[str]:
        """The columns that are read, without repetitions."""

    def kept_columns(self, schema: pa.Schema) -> tuple[list[int], dict[str, str]]:
        """The places of those columns that the output has, before the new ones, and the metadata of these."""

    def channel(self, schema: pa.Schema) -> Channel:
        """Starts to annotate batches of a schema."""

class Channel:
    """A running exchange of batches of one schema."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the new columns, with the metadata of an output."""

    @property
    def is_answering(self) -> bool:
        """Whether new columns have arrived."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs, in this process."""

    def send(self, batch: pa.RecordBatch) -> None:
        """Sends a batch of the input's schema, which must not change until its columns are received."""

    def receive(self) -> list[pa.Array]:
        """The new columns of the batch that was sent first and not received yet."""

    def end(self) -> None:
        """Ends the exchange behind the last batch, and raises what is wrong with all rows together."""

    def abort(self) -> None:
        """Ends the exchange at once, and waits for its threads."""
