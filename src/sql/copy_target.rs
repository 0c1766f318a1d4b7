//! The target of a COPY. DataFusion takes it for a URL or a pattern; here it is a name, exactly.

use std::path::Path;

use datafusion::logical_expr::LogicalPlan;
use url::Url;

use crate::error::{Error, Result};
use crate::output::unstorable_column;
use crate::storage::{is_url, locate};

use super::redacted::has_secret;

/// The same plan, with the target of a COPY as a URL that stands for exactly the name given.
///
/// # Errors
/// [`Error::CannotCreate`] where the folder is not writable; [`Error::Usage`] for a key that can't
/// be written, and for a column that the format can't hold.
pub(super) fn with_exact_target(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Copy(mut copy) = plan else { return Ok(plan) };
    if copy.file_type.get_ext() == "parquet"
        && let Some((field, what)) = unstorable_column(copy.input.schema().as_arrow())
    {
        return Err(Error::Usage(format!("COPY: column {:?} {what}; cast it or leave it out", field.name())));
    }
    if let Some(field) = copy.input.schema().fields().iter().find(|field| has_secret(field.name())) {
        return Err(Error::Usage(format!(
            "COPY: the title {} holds a secret; name the column with AS",
            field.name()
        )));
    }
    let target = Path::new(&copy.output_url);
    copy.output_url = if is_url(target) {
        object_url(&copy.output_url)?
    } else {
        check_folder(target)?;
        file_url(target)?
    };
    Ok(LogicalPlan::Copy(copy))
}

fn object_url(target: &str) -> Result<String> {
    let unfit = |why: String| Error::Usage(format!("{why}; COPY to another key"));
    let folder = target.strip_suffix('/');
    let location = locate(Path::new(folder.unwrap_or(target))).map_err(|error| unfit(error.to_string()))?;
    if location.key.as_ref().contains("//") {
        return Err(unfit(format!("{target}: DataFusion writes no key with an empty part (//)")));
    }
    Ok(format!("{}{}", location.escaped_url(), if folder.is_some() { "/" } else { "" }))
}

fn file_url(target: &Path) -> Result<String> {
    let cannot = |source| Error::CannotCreate { path: target.to_owned(), source };
    let absolute = std::path::absolute(target).map_err(cannot)?;
    let is_folder = target.is_dir() || target.as_os_str().as_encoded_bytes().ends_with(b"/");
    let url = match is_folder {
        true => Url::from_directory_path(absolute),
        false => Url::from_file_path(absolute),
    };
    let url = url.map_err(|()| cannot(std::io::ErrorKind::InvalidFilename.into()))?;
    Ok(url.into())
}

/// Checks that the target's folder is writable. Some file systems refuse a new file in a way that
/// makes the `object_store` crate retry forever.
fn check_folder(target: &Path) -> Result<()> {
    // COPY creates missing folders.
    let here = Path::new(".");
    let mut folders = target.ancestors().skip(1).map(|it| if it.as_os_str().is_empty() { here } else { it });
    let folder = folders.find(|folder| folder.exists()).unwrap_or(here);
    tempfile::tempfile_in(folder)
        .map(drop)
        .map_err(|source| Error::CannotCreate { path: target.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_names() {
        for (target, url) in [
            ("s3://data/a#b?c%41 d.parquet", "s3://data/a%23b%3Fc%2541%20d.parquet"),
            ("s3://data/[1]*/day=1/", "s3://data/%5B1%5D%2A/day=1/"),
        ] {
            assert_eq!(object_url(target).unwrap(), url);
        }
        for target in ["s3://data/a//b.parquet", "s3://data/../b.parquet", "s3://data/a\u{1}"] {
            let error = object_url(target).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{error}");
        }
        for (target, ending) in [("a:b.parquet", "/a:b.parquet"), ("a*[1]#.parquet", "/a*[1]%23.parquet")] {
            let url = file_url(Path::new(target)).unwrap();
            assert!(url.starts_with("file:///") && url.ends_with(ending), "{url}");
        }
        assert!(file_url(Path::new("out/")).unwrap().ends_with("/out/"));
        assert!(file_url(Path::new("src")).unwrap().ends_with("/src/"));
    }
}
