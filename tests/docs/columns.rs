//! `docs/columns.md`: the columns that annotate writes, made from their definitions, and the keys of the footer.

use std::fmt::Write;
use std::fs::File;

use lsmi_etl::interaction::Quantity;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::{fitted, lsmi, must};
use crate::house::matches_file;

const INTRODUCTION: &str = "\
# Columns and footer keys

This page is made from the program (`LSMI_ETL_REGENERATE=1`, tests/README.md). The columns are nullable 32-bit floats in nats,
but for probabilities (`prior_y`, `p_y…`), the integers `fold` and `missing_modalities`, and `top_class`, a
class as a 64-bit integer, a string or a boolean; a bad row is null in all of them. Their fields carry the descriptions below as metadata
(`ARROW:schema`). `--prefix` stands before every name, in the keys behind `lsmi_etl.` (`lsmi_etl.img_txt_.version`).
[The method](method.md) defines the quantities, [What the numbers mean](estimates.md) interprets them.
";

const KEYS: &str = "
## Footer keys

Key-values of an annotated Parquet file, and of the schema of an Arrow stream:

| key | value |
|---|---|
| `lsmi_etl.version` | the version of the program |
| `lsmi_etl.bundle_sha256` | SHA-256 of the bundle's manifest, which has that of every model |
| `lsmi_etl.engine` | `NAME (VERSION) on DEVICE` |
| `lsmi_etl.units` | `raw` or `centred`: the convention of h ([Units](estimates.md#units-decide-how-much-is-redundant)) |
| `lsmi_etl.columns` | JSON: the computed columns, in their order, with their moments |
| `lsmi_etl.information` | JSON: the moments of h of each modality and, of more than two, of i of each and of all, which the columns do not give |
| `lsmi_etl.rows` | JSON: rows by fate (good, and bad by reason) |
| `lsmi_etl.trained_rows` | good rows that the models were trained on, evaluated by those that have not seen them |
| `lsmi_etl.on_missing_modality`, `lsmi_etl.reduced_rows` | `reduce`, and the good rows that lack a modality |
| `lsmi_etl.adjust`, `lsmi_etl.shift_nats` | `none` or `dataset`; the constant of `--adjust dataset` |
| `lsmi_etl.adjustment`, `lsmi_etl.unshifted` | JSON: the shift of the whole dataset; the means of the file before it |
| `lsmi_etl.input` | JSON: the input's columns and what identifies its bytes |
| `lsmi_etl.written` | `spliced` (column chunks copied byte for byte) or `re-encoded` |
| `lsmi_etl.synth` | the generator and its settings, in files of `synth` |

All other key-values are those of the input. Parquet's `ARROW:schema`, pandas' `pandas` and Hugging Face's `huggingface`
are extended by the new columns.
";

fn rows(page: &mut String, quantities: &[Quantity], modalities: usize) {
    for quantity in quantities {
        let about = quantity.description(modalities).replace('|', "\\|");
        writeln!(page, "| `{}` | {about} |", quantity.name(modalities)).unwrap();
    }
}

#[test]
fn the_page_on_columns_is_their_definitions() {
    let mut page = INTRODUCTION.to_owned();
    for (modalities, title) in [(2, "Two modalities"), (3, "Three modalities")] {
        write!(page, "\n## {title}\n\nAlways:\n\n| column | |\n|---|---|\n").unwrap();
        rows(&mut page, &Quantity::defaults(modalities), modalities);
        page += "\nOn request, by `--columns`:\n\n| column | |\n|---|---|\n";
        rows(&mut page, &Quantity::extras(modalities), modalities);
        if modalities > 2 {
            page += "\nBy `--columns atoms`, or one by one:\n\n| column | |\n|---|---|\n";
            rows(&mut page, &Quantity::atoms(modalities), modalities);
            page += "\nBy `--pairs`:\n\n| column | |\n|---|---|\n";
            rows(&mut page, &Quantity::pairs(modalities), modalities);
        }
    }
    page += "\nOf four modalities there are 166 atoms, 15 i, 14 h and the parts of six pairs, named likewise.\n\nWithout \
             `--columns`:\n\n| column | with | |\n|---|---|---|\n";
    for (quantity, option) in
        [(Quantity::LabelEntropy, "--label-free"), (Quantity::Missing, "--on-missing-modality reduce")]
    {
        let about = quantity.description(2);
        writeln!(page, "| `{}` | `{option}` | {about} |", quantity.name(2)).unwrap();
    }
    matches_file("docs/columns.md", (page + KEYS).trim_end());
}

#[test]
fn the_page_names_every_key_of_a_footer() {
    let dir = tempfile::tempdir().unwrap();
    for options in [vec![], vec!["--adjust", "dataset"], vec!["--on-missing-modality", "reduce"]] {
        let output = dir.path().join(format!("out{}.parquet", options.len() + options.concat().len()));
        let mut annotate = lsmi();
        annotate.current_dir(fitted()).args(["annotate", "in.parquet", "--bundle", "bundle"]).args(options);
        must(annotate.arg(&output));
        let reader = SerializedFileReader::new(File::open(output).unwrap()).unwrap();
        let written = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let ours: Vec<&str> =
            written.iter().map(|pair| pair.key.as_str()).filter(|key| key.starts_with("lsmi_etl.")).collect();
        assert!(ours.len() > 7, "{ours:?}");
        for key in ours {
            assert!(KEYS.contains(&format!("`{key}`")), "docs/columns.md does not name {key}");
        }
    }
}
