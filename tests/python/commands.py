"""The functions of the package against the command line, whose arguments they are.

    python commands.py NAME FOLDER

Runs the check of this name in the working folder. FOLDER has train.parquet, in.parquet and bundle.
"""

import dataclasses
import logging
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import lsmi_etl
import pyarrow
import pyarrow.parquet
from lsmi_etl import errors, manifest, results
from lsmi_etl._decoding import decoded

FOLDER = pathlib.Path(sys.argv[2])
TRAIN, INPUT, BUNDLE = FOLDER / "train.parquet", FOLDER / "in.parquet", FOLDER / "bundle"
PROGRAM = os.environ["LSMI_ETL_BIN"]


def command_line(*args):
    subprocess.run([PROGRAM, *map(str, args)], check=True, capture_output=True)


def raised(kind, words, function, *args, **options):
    """Checks that a call raises this exception, whose message has these words."""
    try:
        function(*args, **options)
    except errors.LsmiError as error:
        assert type(error) is kind, repr(error)
        assert kind.code == error.code and str(error) == error.message
        for word in words:
            assert word in error.message, error.message
        return error
    raise AssertionError(f"no {kind.__name__}")


class Object:
    """Arrow data of another library."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


def fit():
    options = {"folds": 2, "seed": 7, "x": ["x1", "x2"], "label": "y", "units": "centred"}
    command_line("fit", TRAIN, "--bundle", "cli", "--folds=2", "--seed=7", "--x1=x1", "--x2=x2", "--units=centred")
    expected = lsmi_etl.Bundle.open("cli")
    table = pyarrow.parquet.read_table(TRAIN)
    sources = {
        "path": TRAIN,
        "paths": [str(TRAIN)],
        "table": table,
        "object": Object(table),
        "reader": table.to_reader(1000),
    }
    for name, source in sources.items():
        summary = lsmi_etl.fit(source, name, group=None, overwrite=False, **options)
        assert summary.rows == table.num_rows and summary.bad_rows == 0, summary
        bundle = lsmi_etl.Bundle.open(pathlib.Path(name))
        assert bundle.sha256 == summary.bundle_sha256 and summary.bundle == bundle.path == name
        assert bundle == expected and bundle.figures == summary.validation, name
    assert bundle.dimensions == [4, 4] and [it.column for it in bundle.modalities] == ["x1", "x2"]
    assert bundle.modalities[0].units == "centred" and bundle.label == "y"
    assert bundle.classes == [0, 1, 2, 3] and abs(sum(bundle.prior) - 1) < 1e-9 and bundle.folds == 2
    assert len(bundle.figures.densities) == 2 and len(bundle.figures.classifiers) == 3
    assert isinstance(bundle.figures.estimates.r, manifest.MeanEstimate)


def annotate():
    command_line("annotate", INPUT, "cli.parquet", "--bundle", BUNDLE, "--columns=i1,prior_y", "--batch-rows=512")
    options = {"bundle": lsmi_etl.Bundle.open(BUNDLE), "columns": ["i1", "prior_y"], "batch_rows": 512}
    summary = lsmi_etl.annotate(INPUT, "out.parquet", **options)
    assert pathlib.Path("out.parquet").read_bytes() == pathlib.Path("cli.parquet").read_bytes()
    assert isinstance(summary, results.Summary) and not summary.skipped and summary.written == "spliced"
    assert summary.rows == summary.fates.good == summary.columns["prior_y"].count == 3000
    assert lsmi_etl.annotate(INPUT, "out.parquet", **options).skipped
    # It is a success, as it is for a scheduler.
    assert lsmi_etl.annotate(INPUT, "out.parquet", if_nothing="exit99", **options).skipped

    table = pyarrow.parquet.read_table(INPUT)
    for name, source in {"table": table, "batch": table.combine_chunks().to_batches()[0]}.items():
        summary = lsmi_etl.annotate(source, f"{name}.parquet", **options)
        assert summary.input == "-" and summary.rows == 3000
        expected = pyarrow.parquet.read_table("cli.parquet")
        assert pyarrow.parquet.read_table(f"{name}.parquet").equals(expected), name

    os.mkdir("data")
    for name in ["a", "b"]:
        shutil.copy(INPUT, f"data/{name}.parquet")
    totals = lsmi_etl.annotate("data", "annotated", bundle=BUNDLE)
    assert isinstance(totals, results.Totals) and totals.files == 2 and totals.rows == 6000
    pathlib.Path("data/c.parquet").write_text("no such thing")
    error = raised(errors.BadData, ["c.parquet"], lsmi_etl.annotate, "data", "annotated", bundle=BUNDLE)
    totals = decoded(results.Totals, error.summary)
    assert [bad.input for bad in totals.bad_files] == ["data/c.parquet"] and totals.skipped_files == 2


def failures():
    run = lsmi_etl.annotate
    raised(errors.Usage, ["'bundel'", "'bundle'"], run, INPUT, "o.parquet", bundel=BUNDLE)
    raised(errors.Usage, ["dry_run"], run, INPUT, "o.parquet", dry_run=True)
    raised(errors.Usage, ["one input"], run, [INPUT, INPUT], "o.parquet")
    raised(errors.Usage, ["an int"], run, 7, "o.parquet")
    raised(errors.Usage, ["a reader"], run, "-", "o.parquet")
    raised(errors.Usage, ["Table", "write the data to a file"], lsmi_etl.sql, "SELECT 1", table={"t": pyarrow.table({})})
    raised(errors.Usage, ["empty"], lsmi_etl.fit, [], "b")
    raised(errors.NoInput, ["nowhere.parquet"], run, "nowhere.parquet", "o.parquet", bundle=BUNDLE)
    raised(errors.BadBundle, ["nowhere"], run, INPUT, "o.parquet", bundle="nowhere")
    raised(errors.BadBundle, ["bundle.json"], lsmi_etl.Bundle.open, ".")
    raised(errors.BadBundle, ["is a file"], lsmi_etl.Bundle.open, INPUT)
    raised(errors.EngineUnavailable, ["GPU"], run, INPUT, "o.parquet", bundle=BUNDLE, device="cuda")
    table = pyarrow.parquet.read_table(INPUT)
    raised(errors.BadData, ['"y"'], run, table.drop_columns(["y"]), "o.parquet", bundle=BUNDLE)
    raised(errors.BadData, ["too few"], lsmi_etl.fit, table.slice(0, 5), "b")
    pathlib.Path("-x.parquet").write_text("mine")
    raised(errors.OutputExists, ["-x.parquet"], run, INPUT, "-x.parquet", bundle=BUNDLE)
    raised(errors.Usage, ["selec"], lsmi_etl.sql, "selec 1")
    raised(errors.Usage, ["max_rows"], lsmi_etl.sql, "SELECT 1", max_rows=3)
    raised(errors.InternalError, ["rows"], decoded, results.FitSummary, {"bundle": "b"})

    # What a terminal obeys does not get there by an exception.
    odd = pathlib.Path("\x1b[31mred.parquet")
    odd.write_text("no such thing")
    error = raised(errors.BadData, ["[31mred"], run, odd, "o.parquet", bundle=BUNDLE)
    assert "\x1b" not in error.message

    # A reader that fails is no end of the rows.
    def batches():
        yield table.to_batches()[0]
        raise ZeroDivisionError("mine")

    reader = pyarrow.RecordBatchReader.from_batches(table.schema, batches())
    try:
        run(reader, "o.parquet", bundle=BUNDLE)
        raise AssertionError("no error")
    except ZeroDivisionError as error:
        assert str(error) == "mine"
    assert sorted(os.listdir(".")) == sorted(["-x.parquet", odd.name]), os.listdir(".")

    # Fields of a newer program are left out, and those of an older one are None.
    newer = {"input": "a", "error": "b", "remedy": "c"}
    assert decoded(results.BadFile, newer) == results.BadFile("b", "a", column=None)
    assert dataclasses.asdict(decoded(results.BadFile, newer))["row_group"] is None


def messages():
    """Words of the command line are words of Python, on one line, and commands stay as they are."""
    absent = raised(errors.BadBundle, ["nope"], lsmi_etl.annotate, INPUT, "out.parquet", bundle="nope")
    assert absent.message.endswith("`lsmi-etl fit` writes a bundle, bundle=DIR names another"), absent.message
    pathlib.Path("a.csv").write_text("x1\n1\n")
    text = raised(errors.BadData, ["a.csv"], lsmi_etl.fit, "a.csv", bundle="b")
    assert "lsmi-etl sql --output a-new.parquet \"SELECT * FROM 'a.csv'\"" in text.message, text.message
    for options, message in [
        ({"enginee": "cpu"}, "unexpected argument 'enginee' found; a similar argument exists: 'engine'"),
        ({"engine": "tpu"}, "invalid value 'tpu' for 'engine': expected auto, onnxruntime or embedded"),
        ({"workers": 0}, "invalid value '0' for 'workers': expected a whole number from 1"),
        (
            {"on_shift": "wran"},
            "invalid value 'wran' for 'on_shift'; possible values: warn, fail; a similar value exists: 'warn'",
        ),
        (
            {"memory_limit": 5},
            "invalid value '5' for 'memory_limit': 5 bytes are less than the least limit, 1MiB; did you mean 5GB?",
        ),
    ]:
        error = raised(errors.Usage, [], lsmi_etl.annotate, INPUT, "out.parquet", **options)
        assert error.message == message, error.message
    raised(errors.Usage, ["densities are empty", "1, 2"], lsmi_etl.pack, {}, {}, example=None)
    raised(errors.Usage, ["classifiers are empty", "1, 2, 12"], lsmi_etl.pack, {"1": None}, {}, example=None)


def queries():
    lsmi_etl.annotate(INPUT, "out.parquet", bundle=BUNDLE)
    table = lsmi_etl.sql("-- classes\nSELECT y, avg(r) AS r FROM t GROUP BY y", table={"t": "out.parquet"}).read_all()
    assert sorted(table["y"].to_pylist()) == [0, 1, 2, 3]
    models = "SELECT count(lsmi(x1, x2, y)) AS n FROM 't.parquet'".replace("t.", "out.")
    assert lsmi_etl.sql(models, bundle=BUNDLE).read_all()["n"].to_pylist() == [3000]
    assert lsmi_etl.sql("SELECT 1 AS one WHERE false").read_all().schema.names == ["one"]
    assert lsmi_etl.sql("CREATE VIEW v AS SELECT 1").read_all().num_rows == 0
    raised(errors.NoInput, ["no.parquet"], lsmi_etl.sql, "SELECT * FROM 'no.parquet'")
    # The first result is whole when the second statement is refused.
    raised(errors.Usage, ["one by one"], lsmi_etl.sql("SELECT 1 AS a; SELECT 2 AS a").read_all)

    # More rows than anyone reads: it ends when it is closed, or dropped, or interrupted.
    endless = "SELECT a.y FROM 'out.parquet' a, 'out.parquet' b, 'out.parquet' c"
    for end in ["close", "with", "drop", "interrupt"]:
        reader = lsmi_etl.sql(endless)
        assert reader.read_next_batch().num_rows > 0
        process = reader._output._program.process
        assert process.poll() is None
        if end == "close":
            reader.close()
        elif end == "with":
            with reader:
                pass
        elif end == "drop":
            del reader
        else:
            interrupt_soon()
            try:
                # The rows of a cross join of three tables do not fit into any memory.
                for _ in reader:
                    pass
                raise AssertionError("no interruption")
            except KeyboardInterrupt:
                # It may have come between two reads, which ends no query.
                del reader
        assert process.returncode is not None, end


def reports():
    lsmi_etl.annotate(INPUT, "out.parquet", bundle=BUNDLE)
    report = lsmi_etl.report("out.parquet", title="Mine")
    assert report.summary.rows == 3000 and "<title>Mine" in report.page and report.page.endswith("</html>\n")
    assert report._repr_html_().startswith("<iframe srcdoc=")
    assert "out.parquet" in os.listdir(".") and len(os.listdir(".")) == 1
    report.save("saved.html")
    raised(errors.OutputExists, ["saved.html", "overwrite"], report.save, "saved.html")
    report.save("saved.html", overwrite=True)
    raised(errors.OutputExists, ["no/saved.html"], report.save, "no/saved.html")
    written = lsmi_etl.report(["out.parquet"], "written.html", title="Mine")
    assert written.summary.output == "written.html" and written._repr_html_() == report._repr_html_()
    raised(errors.OutputExists, ["written.html"], lsmi_etl.report, "out.parquet", "written.html")
    numbers = lsmi_etl.report("out.parquet", format="json")
    assert numbers.numbers["data"]["rows"] == 3000 and numbers._repr_html_() is None
    raised(errors.Usage, ["numbers"], numbers.save, "numbers.html")
    again = lsmi_etl.report("out.parquet", "numbers.json", format="json")
    assert again.numbers["data"] == numbers.numbers["data"]
    assert sorted(os.listdir(".")) == ["numbers.json", "out.parquet", "saved.html", "written.html"]


def warnings():
    """Lines of the log are those of a logger."""
    found = []
    handler = logging.Handler()
    handler.emit = found.append
    logging.getLogger("lsmi_etl").addHandler(handler)
    logging.getLogger("lsmi_etl").setLevel(logging.INFO)
    table = pyarrow.parquet.read_table(INPUT)
    labels = pyarrow.array([77, *table["y"].to_pylist()[1:]])
    table = table.set_column(table.schema.get_field_index("y"), "y", labels)
    summary = lsmi_etl.annotate(table, "out.parquet", bundle=BUNDLE)
    assert summary.bad_rows == summary.fates.unknown_label == 1 and summary.unknown_labels == ["77"]
    said = {(record.levelname, record.getMessage()) for record in found}
    assert any(level == "WARNING" and "unknown_label" in text for level, text in said), said
    assert any(level == "INFO" and text.startswith("engine: ") for level, text in said), said


#: A run that is slow, by small batches.
SLOW = {"bundle": BUNDLE, "batch_rows": 16, "workers": 1}
JOURNAL = pathlib.Path(".out.parquet.lsmi-journal")


def when_begun(act):
    """Acts when some rows are computed, from another thread."""

    def wait():
        while not (JOURNAL.exists() and JOURNAL.stat().st_size > 50_000):
            time.sleep(0.005)
        act()

    threading.Thread(target=wait, daemon=True).start()


def interrupt_soon():
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()


def children():
    """States of the processes that this one has started, zombies among them."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = stat.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid():
            found.append(state)
    return found


def interruption():
    lsmi_etl.annotate(FOLDER / "large.parquet", "whole.parquet", bundle=BUNDLE, batch_rows=16)
    when_begun(lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        lsmi_etl.annotate(FOLDER / "large.parquet", "out.parquet", **SLOW)
        raise AssertionError("no interruption")
    except KeyboardInterrupt:
        pass
    assert children() == [] and not os.path.exists("out.parquet") and JOURNAL.exists()
    summary = lsmi_etl.annotate(FOLDER / "large.parquet", "out.parquet", **SLOW)
    assert 0 < summary.resumed_rows < summary.rows, summary
    assert pathlib.Path("out.parquet").read_bytes() == pathlib.Path("whole.parquet").read_bytes()
    assert children() == [] and not JOURNAL.exists()


def long_run():
    """For the caller, who kills this process."""
    lsmi_etl.annotate(FOLDER / "large.parquet", "out.parquet", **SLOW)


# A shell that runs the tests in the background has it ignored, and so would they.
signal.signal(signal.SIGINT, signal.default_int_handler)
globals()[sys.argv[1]]()
