//! Tests that damaged, missing and cut pages are found.

use parquet::basic::Compression;

use crate::error::Place;

use super::super::page_header::tests::{dictionary, page};
use super::*;

fn facts(values: u64) -> ChunkFacts {
    let place = Place::file("f").row_group(2).column("c");
    let plain_bytes = chunk(Some(0)).len() as u64;
    let max_levels = [1, 1];
    ChunkFacts {
        place,
        values,
        rows: values,
        encodings: 1,
        codec: Compression::UNCOMPRESSED,
        plain_bytes,
        value_bytes: 4,
        max_levels,
        ignores_checksums: false,
    }
}

/// Three pages, with checksums of their bodies plus `change`.
fn chunk(change: Option<u32>) -> Vec<u8> {
    let bodies = [vec![1; 4000], vec![2; 8], vec![3; 100_000]];
    let sum = |body: &[u8]| change.map(|change| crc32fast::hash(body).wrapping_add(change));
    bodies.iter().flat_map(|body| page(body, 10, sum(body))).collect()
}

fn check(bytes: &[u8], values: u64, step: usize) -> Result<Checksums, Error> {
    let mut checker = PageChecker::new(facts(values), PageName::Data(0));
    for piece in bytes.chunks(step) {
        checker.take(piece)?;
    }
    checker.finish()
}

#[test]
fn pages_are_found_in_pieces_of_any_length() {
    for step in [1, 3, 7, 1000, 4003, 1 << 20] {
        assert_eq!(check(&chunk(Some(0)), 30, step).unwrap(), Checksums::Present);
        assert_eq!(check(&chunk(None), 30, step).unwrap(), Checksums::Absent);
        let error = check(&chunk(Some(1)), 30, step).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        let expected = "f, row group 2, column \"c\": page 0 does not match its checksum; ";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn every_changed_byte_of_a_page_is_found_and_its_page_named() {
    let good = chunk(Some(0));
    for at in (0..good.len()).step_by(37) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        let outcome = check(&bytes, 30, 5000);
        let number = [4000, 4100, usize::MAX].iter().position(|end| at < *end).unwrap();
        match outcome {
            Err(error) => assert_eq!(error.exit_code(), 65),
            // A header that lost its checksum, or says the same in other words.
            Ok(_) => assert!([0..60, 4020..4140].iter().any(|headers| headers.contains(&at)), "{at}"),
        }
        if (100..3900).contains(&at) || at > 4200 {
            let error = check(&bytes, 30, 5000).unwrap_err().to_string();
            assert!(error.contains(&format!("page {number} does not match")), "{at}: {error}");
        }
    }
}

#[test]
fn pages_that_are_missing_or_cut_off_are_found() {
    let good = chunk(Some(0));
    let text = |bytes: &[u8], values| check(bytes, values, 999).unwrap_err().to_string();
    assert!(text(&good, 31).contains("its pages hold 30 values"));
    assert!(text(&good[..good.len() - 1], 30).contains("page 2 does not end"));
    assert!(text(&[&good[..], &[0xff; 50]].concat(), 30).contains("header of page 3 cannot be read"));
    assert_eq!(check(&[0xff; 50], 30, 20).unwrap(), Checksums::Unknown);
    assert_eq!(check(&[], 0, 20).unwrap(), Checksums::Absent);
}

#[test]
fn a_dictionary_has_the_values_that_its_header_says() {
    let with = |values| check(&[dictionary(&[0; 40], values, 0), chunk(None)].concat(), 30, 999);
    assert_eq!(with(10).unwrap(), Checksums::Absent);
    assert_eq!(with(9).unwrap(), Checksums::Absent);
    let error = with(11).unwrap_err().to_string();
    assert!(error.contains("the header of the dictionary page contradicts its page"), "{error}");
}
