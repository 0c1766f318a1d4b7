//! Tests of the journal: truncated, torn, of other work, and resumed.

use std::path::Path;

use crate::annotate::batch::BadRow;
use crate::provenance::identity;
use crate::samples::Fate;

use super::*;

const ROWS: [usize; 4] = [5, 0, 3, 0];

fn batches() -> Vec<Batch> {
    let bad = vec![
        BadRow { row: 0, fate: Fate::NullLabel, label: None },
        BadRow { row: 2, fate: Fate::UnknownLabel, label: Some("Katze ♥".to_owned()) },
    ];
    let batch = |row_group, first_row, rows: usize, bad| Batch {
        row_group,
        first_row,
        rows,
        columns: (0..2)
            .map(|c| (0..rows).map(|row| (row_group * 10 + row + c * 100) as f32).collect())
            .collect(),
        bad,
        trained_rows: rows / 2,
    };
    vec![batch(0, 0, 4, bad), batch(0, 4, 1, vec![]), batch(2, 0, 3, vec![])]
}

fn open(output: &Path, restart: bool) -> Result<(Journal, Vec<Batch>)> {
    let mut seen = Vec::new();
    let each = |batch: &Batch| {
        seen.push(batch.clone());
        Ok(())
    };
    let journal =
        Journal::open(&JournalKey::of(output), &identity("a", 2), ROWS.to_vec(), || Ok(4), restart, each)?;
    Ok((journal, seen))
}

fn full(output: &Path) -> Vec<u8> {
    let (mut journal, _) = open(output, true).unwrap();
    batches().iter().for_each(|batch| journal.append(batch).unwrap());
    std::fs::read(JournalKey::of(output).path().unwrap()).unwrap()
}

#[test]
fn what_was_written_is_read_back_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&folder.path().join("out"), false).unwrap();
    let [first, second, third] = &batches()[..] else { panic!("three batches") };
    journal.append(first).unwrap();
    assert_eq!(journal.complete_row_groups(), 0);
    journal.append(second).unwrap();
    // The empty row group behind it is complete with it.
    assert_eq!(journal.complete_row_groups(), 2);
    assert!(journal.append(second).is_err());
    journal.append(third).unwrap();
    assert_eq!(journal.complete_row_groups(), 4);

    let mut resumed = journal.reader();
    drop(journal.end_of_batches());
    let read: Vec<Batch> = std::iter::from_fn(|| resumed.next().unwrap()).collect();
    assert_eq!(read, batches());
}

#[test]
fn a_reader_waits_for_batches_and_for_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&folder.path().join("out"), false).unwrap();
    let mut reader = journal.reader();
    let read = std::thread::scope(|scope| {
        let reading = scope.spawn(|| std::iter::from_fn(|| reader.next().unwrap()).collect::<Vec<_>>());
        let end = journal.end_of_batches();
        batches().iter().for_each(|batch| journal.append(batch).unwrap());
        drop(end);
        reading.join().unwrap()
    });
    assert_eq!(read, batches());
}

#[test]
fn a_journal_that_nobody_reads_any_more_takes_no_batches() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(&folder.path().join("out"), false).unwrap();
    let [first, second, _] = &batches()[..] else { panic!("three batches") };
    journal.append(first).unwrap();
    drop(journal.reader());
    assert!(journal.append(second).unwrap_err().to_string().contains("splice thread"));
}

#[test]
fn wherever_it_is_torn_the_batches_before_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let (path, whole, all) = (JournalKey::of(&output).path().unwrap(), full(&output), batches());
    let mut kept = 0;
    for bytes in 0..=whole.len() {
        std::fs::write(&path, &whole[..bytes]).unwrap();
        let (mut journal, seen) = open(&output, false).unwrap();
        assert_eq!(seen[..], all[..seen.len()], "{bytes}");
        assert!(seen.len() >= kept, "{bytes}");
        kept = seen.len();
        all[kept..].iter().for_each(|batch| journal.append(batch).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{bytes}");
    }
    assert_eq!(kept, 3);
}

#[test]
fn a_flipped_bit_ends_what_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    let (path, whole) = (JournalKey::of(&output).path().unwrap(), full(&output));
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let (_, seen) = open(&output, false).unwrap();
        assert!(seen.len() < 3, "{at}");
        assert_eq!(seen[..], batches()[..seen.len()], "{at}");
    }
}

#[test]
fn a_journal_of_other_work_is_refused_until_it_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    full(&output);
    let other = |restart| {
        Journal::open(
            &JournalKey::of(&output),
            &identity("b", 2),
            ROWS.to_vec(),
            || Ok(4),
            restart,
            |_| Ok(()),
        )
    };
    let error = other(false).unwrap_err();
    assert_eq!(error.exit_code(), 78);
    assert!(error.to_string().contains("another bundle"), "{error}");
    assert!(error.to_string().contains("--restart"), "{error}");
    assert_eq!(open(&output, false).unwrap().1.len(), 3);
    assert_eq!(other(true).unwrap().next(), Position { row_group: 0, first_row: 0 });
}

#[test]
fn one_run_at_a_time_and_the_batches_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out");
    full(&output);
    let (journal, _) = open(&output, false).unwrap();
    assert_eq!(open(&output, false).unwrap_err().exit_code(), 75);
    drop(journal);
    let not_called = || panic!("the batch of the first is known");
    let later =
        Journal::open(&JournalKey::of(&output), &identity("a", 2), ROWS.to_vec(), not_called, false, |_| {
            Ok(())
        })
        .unwrap();
    assert_eq!(later.batch_rows(), 4);
    later.remove().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // Nothing computed, nothing left.
    drop(open(&output, false).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
