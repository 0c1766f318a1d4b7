//! The folder of outputs, which goes again where it stays empty: of a run that fails there is nothing left.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Result;

use super::discover::create_parent_folder;

/// The folders that were created for a file, the deepest first. Removes on drop those that are empty.
#[derive(Debug)]
pub struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    /// Creates the parent folder of a file, as [`create_parent_folder`] does.
    ///
    /// # Errors
    /// As for [`create_parent_folder`].
    pub fn above(path: &Path) -> Result<Self> {
        let folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let new = folders.take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        create_parent_folder(path).map(|()| Self(new))
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        // One with files in it can't be removed.
        self.0.iter().for_each(|folder| _ = fs::remove_dir(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_empty_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/c.parquet");
        drop(NewFolders::above(&file).unwrap());
        assert!(!dir.path().join("a").exists() && dir.path().exists());
        let folders = NewFolders::above(&file).unwrap();
        fs::write(&file, "c").unwrap();
        drop(folders);
        assert!(file.exists());
        // An empty folder that was there stays.
        fs::remove_file(&file).unwrap();
        drop(NewFolders::above(&file).unwrap());
        assert!(dir.path().join("a/b").exists());
    }
}
