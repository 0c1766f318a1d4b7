//! Errors of the operating system that say nothing of a file: what it had none left of.

use std::io;

/// What the system had none left of, if an I/O error says so, and what to do.
pub(crate) fn shortage(error: &io::Error) -> Option<String> {
    let cause = io::Error::from_raw_os_error(code(error)?);
    Some(format!("{cause}: {}", way(&cause)?))
}

/// The system's code of an error. What creates temporary files keeps it in the text only.
fn code(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        let text = error.to_string();
        let (_, code) = text.split_once("(os error ")?;
        code.split_once(')')?.0.parse().ok()
    })
}

#[cfg(unix)]
fn way(error: &io::Error) -> Option<&'static str> {
    use rustix::io::Errno;
    Some(match Errno::from_io_error(error)? {
        Errno::MFILE => {
            "the limit of open files is reached; raise it (ulimit -n), or give fewer --workers or --threads"
        }
        Errno::NFILE => "the system opens no more files; end other programs",
        Errno::NOMEM => {
            "the system gives no more memory; raise the limit (ulimit -v, or that of a container), or end other programs"
        }
        _ => return None,
    })
}

#[cfg(not(unix))]
fn way(_: &io::Error) -> Option<&'static str> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Error, Place};
    use super::*;

    #[test]
    fn what_is_short_now_may_be_there_later() {
        use rustix::io::Errno;
        for (errno, words) in [
            (Errno::MFILE, "raise it (ulimit -n)"),
            (Errno::NFILE, "end other programs"),
            (Errno::NOMEM, "memory"),
        ] {
            let source = || io::Error::from_raw_os_error(errno.raw_os_error());
            let place = Place::file("a.parquet");
            for error in [
                Error::CannotCreate { path: PathBuf::from("a.parquet"), source: source() },
                Error::NoInput { place: place.clone(), source: source() },
                Error::io(place, "read", source()),
            ] {
                let text = error.to_string();
                assert_eq!(error.exit_code(), 75, "{text}");
                assert!(text.starts_with("a.parquet: ") && text.ends_with("; run again"), "{text}");
                assert!(text.contains(words) && error.clone().to_string() == text, "{text}");
            }
        }
        assert!(shortage(&io::ErrorKind::NotFound.into()).is_none());
        let wrapped = io::Error::other("Too many open files (os error 24) at path \"/a/.b.partial\"");
        assert!(shortage(&wrapped).unwrap().contains("ulimit -n"));
    }
}
