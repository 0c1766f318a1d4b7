//! A test of pages whose levels are damaged, where no checksum shows it.

use super::tests::{List, write_cut_pages};
use super::*;

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
