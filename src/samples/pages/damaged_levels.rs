//! Tests of pages whose levels are damaged, where no checksum shows it.

use std::path::Path;

use arrow::array::Array;
use parquet::basic::Encoding;
use parquet::column::page::Page;

use crate::samples::ListReader;

use super::written_pages::{List, encoded, page_of_levels, write_cut_pages, write_pages};
use super::*;

/// Reads six lists of four elements in a page with these levels, and as many nulls by its header: rows without
/// values, or the error.
fn read(definition: &[u8], nulls: usize, is_dictionary: bool) -> Result<usize> {
    let folder = tempfile::tempdir().unwrap();
    let input = write(&folder.path().join("x.parquet"), definition, nulls, is_dictionary);
    let mut reader = EmbeddingPageReader::open(&input, 0, 4, 0, 0, &ReadAhead::none())?.unwrap();
    let mut buffers = crate::samples::ReadBuffers::default();
    reader.read(6)?.read(&mut buffers).map(|embeddings| embeddings.invalid.len())
}

/// The file of these lists.
fn write(path: &Path, definition: &[u8], nulls: usize, is_dictionary: bool) -> Input {
    let repetition: Vec<u8> = (0..24).map(|level| u8::from(level % 4 > 0)).collect();
    let values = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    let dictionary = Page::DictionaryPage {
        buf: values.clone().into(),
        num_values: 4,
        encoding: Encoding::PLAIN,
        is_sorted: false,
    };
    // Three groups of eight indices of two bits: as many as there may be values.
    let indices = [&[2, 3 << 1 | 1][..], &[0b1110_0100; 6]].concat();
    let plain = values.repeat(6);
    let (values, encoding) = match is_dictionary {
        true => (&indices[..], Encoding::RLE_DICTIONARY),
        false => (&plain[..(24 - nulls) * 4], Encoding::PLAIN),
    };
    let page = page_of_levels([6, 24, nulls], [&encoded(&repetition), definition], values, encoding);
    write_pages(path, 6, 24, is_dictionary.then_some(dictionary).into_iter().chain([page]).collect());
    Input::open(path).unwrap()
}

#[test]
fn fewer_nulls_than_the_header_has_are_damage() {
    let levels = |nulls: &[usize]| {
        let levels: Vec<u8> = (0..24).map(|level| 3 - u8::from(nulls.contains(&level))).collect();
        encoded(&levels)
    };
    for is_dictionary in [false, true] {
        assert_eq!(read(&levels(&[5, 9]), 2, is_dictionary).unwrap(), 2);
        assert_eq!(read(&levels(&[]), 0, is_dictionary).unwrap(), 0);
        for (damaged, nulls) in [(levels(&[9]), 2), (levels(&[]), 1)] {
            let error = read(&damaged, nulls, is_dictionary).unwrap_err();
            assert_eq!(error.exit_code(), 65, "{error}");
        }
    }
}

#[test]
fn runs_that_no_writer_writes_make_no_row_bad() {
    let sound = [9 << 1, 3, 1 << 1, 2, 6 << 1, 3, 8 << 1, 3];
    assert_eq!(read(&sound, 1, true).unwrap(), 1);
    // Runs of no level between two rows, and a run that is too long.
    for damaged in [
        [&sound[..6], &[0, 0], &sound[6..]].concat(),
        [&sound[..6], &[0, 2], &sound[6..]].concat(),
        [&sound[..6], &[0xfe, 0xff, 0x7f, 3]].concat(),
    ] {
        match read(&damaged, 1, true) {
            Ok(bad) => assert_eq!(bad, 1, "{damaged:?}"),
            Err(error) => assert_eq!(error.exit_code(), 65, "{error}"),
        }
    }
}

#[test]
fn a_null_or_empty_list_does_not_go_on() {
    let folder = tempfile::tempdir().unwrap();
    for (at, level) in [(5, 0), (5, 1), (4, 0), (4, 1)] {
        let levels: Vec<u8> = (0..24).map(|place| if place == at { level } else { 3 }).collect();
        let levels = encoded(&levels);
        let error = read(&levels, 1, false).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("levels that contradict each other"), "{error}");
        let input = write(&folder.path().join("x.parquet"), &levels, 1, false);
        let error = ListReader::open(&input, 0, 0, &ReadAhead::none()).unwrap().read(6).unwrap_err();
        assert!(error.to_string().contains("row group 0, column \"x\""), "{error}");
    }
}

#[test]
fn a_null_array_may_have_a_level_for_each_element() {
    // As DuckDB writes it. With fewer levels than the others have elements it is damage.
    let levels = |null: std::ops::Range<usize>| {
        encoded(&(0..24).map(|place| if null.contains(&place) { 0 } else { 3 }).collect::<Vec<_>>())
    };
    let folder = tempfile::tempdir().unwrap();
    for null in [0..4, 4..8, 8..16, 20..24] {
        let nulls = null.len();
        assert_eq!(read(&levels(null.clone()), nulls, false).unwrap(), nulls / 4);
        let input = write(&folder.path().join("x.parquet"), &levels(null), nulls, false);
        let rows = ListReader::open(&input, 0, 0, &ReadAhead::none()).unwrap().read(6).unwrap();
        assert_eq!((rows.null_count(), rows.len()), (nulls / 4, 6));
    }
    for null in [4..6, 20..23, 6..8] {
        let nulls = null.len();
        let error = read(&levels(null), nulls, false).unwrap_err();
        assert!(error.to_string().contains("levels that contradict each other"), "{error}");
    }
}

#[test]
fn levels_beyond_those_of_the_column_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let mut lists: Vec<List> = vec![Some(vec![Some(1.0); 4]); 60];
    // The 38th element of the second page is null.
    lists[49].as_mut().unwrap()[1] = None;
    write_cut_pages(&path, &lists, &[160]);
    let mut bytes = std::fs::read(&path).unwrap();
    let runs = [37 << 1, 3, 1 << 1, 2];
    let at: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..*at + 4] == runs).collect();
    let [at] = at[..] else { panic!("{at:?}") };
    bytes[at + 3] = 254;
    std::fs::write(&path, bytes).unwrap();
    let input = Input::open(&path).unwrap();
    let mut reader = EmbeddingPageReader::open(&input, 0, 4, 0, 0, &ReadAhead::none()).unwrap().unwrap();
    assert!(reader.read(30).is_ok());
    let error = reader.read(20).unwrap_err();
    assert_eq!(error.exit_code(), 65);
    assert!(error.to_string().contains("has levels that its column does not have"), "{error}");
}
