//! An output that stands among the inputs of a command that takes several of these: in
//! `fit train.parquet models`, the folder of the bundle.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::printable::shown;
use crate::storage::is_url;

/// Refuses inputs of which the last is an output by its name, which belongs behind an option.
///
/// # Errors
/// [`Error::Usage`] with the option.
pub(super) fn check(inputs: &[PathBuf], option: &str, is_output: impl Fn(&Path) -> bool) -> Result<()> {
    let is_missing = |path: &Path| {
        let name = path.to_string_lossy();
        // A part of a data set is no output.
        !is_url(path)
            && !name.contains(['*', '?', '[', '='])
            && name != "-"
            && path.symlink_metadata().is_err()
    };
    match inputs {
        [_, .., last] if is_output(last) && is_missing(last) => Err(Error::Usage(format!(
            "{}: the arguments are inputs, and there is no such input; name the output by its option: \
             {option} {0}",
            shown(last)
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_inputs_may_be_an_output() {
        let checked = |inputs: &[&str]| {
            let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
            check(&inputs, "-o", |path| path.extension().is_some_and(|ending| ending == "html"))
        };
        let refused = checked(&["a.parquet", "r.html"]).unwrap_err().to_string();
        assert!(refused.starts_with("r.html: ") && refused.ends_with("-o r.html"), "{refused}");
        for input in ["src", "r*.html", "s3://b/r.html", "-", "day=2"] {
            assert!(check(&[PathBuf::from("a"), PathBuf::from(input)], "-o", |_| true).is_ok(), "{input}");
        }
        assert!(checked(&["r.html"]).is_ok() && checked(&["a.parquet", "b.parquet"]).is_ok());
    }
}
