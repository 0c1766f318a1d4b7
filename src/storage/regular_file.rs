//! Regular files. Only they are data: to open a pipe waits for its writer, and a device has no end.
//! Whatever else a path names is an error at once.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use super::positioned_io::read_exact_at;

/// Limit of a file of text: a pipeline, statements, a manifest.
pub const TEXT_BYTES: u64 = 16 << 20;

/// Opens a regular file for reading.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::InvalidInput`] for a pipe, socket or device, and
/// [`io::ErrorKind::IsADirectory`] for a folder.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // Some devices do something when they are opened.
    require_regular(&std::fs::metadata(path)?)?;
    open_at_once(File::options().read(true), path)
}

/// Opens a file with these options, which does not wait where the path has become a pipe since it was
/// looked at.
///
/// # Errors
/// As for [`open_regular`].
pub(crate) fn open_at_once(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags as i32);
    }
    let file = options.open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// All bytes of a regular file of at most this size.
///
/// # Errors
/// As for [`open_regular`]; [`io::ErrorKind::FileTooLarge`].
pub fn read_regular(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let bytes = file.metadata()?.len();
    if bytes > most_bytes {
        return Err(too_large(most_bytes));
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    // The file may grow while it is read.
    file.take(most_bytes.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most_bytes { Err(too_large(most_bytes)) } else { Ok(content) }
}

/// Bytes of a regular file from an offset on: a number of them, or up to its end.
///
/// # Errors
/// As for [`read_regular`]; [`io::ErrorKind::UnexpectedEof`] if the file is shorter.
pub fn read_range(path: &Path, (offset, length): (u64, Option<u64>), most_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let rest = file.metadata()?.len().checked_sub(offset);
    let length = match (rest, length) {
        (Some(rest), None) => rest,
        (Some(rest), Some(length)) if length <= rest => length,
        _ => return Err(io::ErrorKind::UnexpectedEof.into()),
    };
    if length > most_bytes {
        return Err(too_large(most_bytes));
    }
    let mut content = vec![0; usize::try_from(length).map_err(|_| too_large(most_bytes))?];
    read_exact_at(&file, &mut content, offset)?;
    Ok(content)
}

/// As [`read_regular`], of text, without the mark that some editors put in front (BOM).
///
/// # Errors
/// As for [`read_regular`]; [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = read_regular(path, TEXT_BYTES)?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))?;
    Ok(without_mark(text))
}

/// A text without the mark that some editors put in front (BOM).
pub fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Fails if the metadata is not that of a regular file.
///
/// # Errors
/// As for [`open_regular`].
pub(crate) fn require_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let what = match kind_of(metadata) {
        Kind::Pipe => {
            "it is a pipe, not a regular file; write it to a file, or give - where a command reads stdin or \
             writes to stdout"
        }
        Kind::Socket => "it is a socket, not a regular file; write it to a file",
        Kind::Device => "it is a device, not a regular file; name a file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// The error of a file that is larger than such a file can be.
pub(super) fn too_large(most_bytes: u64) -> io::Error {
    let what = format!("it has more than {most_bytes} bytes, the limit for such a file");
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

/// What is neither a regular file nor a folder.
enum Kind {
    Pipe,
    Socket,
    Device,
}

#[cfg(unix)]
fn kind_of(metadata: &Metadata) -> Kind {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    match (kind.is_fifo(), kind.is_socket()) {
        (true, _) => Kind::Pipe,
        (_, true) => Kind::Socket,
        _ => Kind::Device,
    }
}

#[cfg(not(unix))]
fn kind_of(_: &Metadata) -> Kind {
    Kind::Device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_regular(&path, 5).unwrap(), b"12345");
        assert_eq!(read_regular(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_range(&path, (1, Some(3)), 3).unwrap(), b"234");
        assert_eq!(read_range(&path, (4, None), 3).unwrap(), b"5");
        assert_eq!(read_range(&path, (1, None), 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        for beyond in [(3, Some(3)), (6, None), (u64::MAX, Some(u64::MAX))] {
            assert_eq!(read_range(&path, beyond, 9).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_no_regular_file_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, socket) = (folder.path().join("pipe"), folder.path().join("socket"));
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        for (path, what) in [(&pipe, "a pipe"), (&socket, "a socket"), (&link, "a device")] {
            let error = read_regular(path, 10).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            let opened = open_at_once(File::options().read(true).write(true), path);
            assert!(opened.is_err(), "{}", path.display());
        }
        assert_eq!(open_regular(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
