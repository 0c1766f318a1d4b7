//! Installation of ONNX Runtime's wheel into the user's data folder, with uv or pip: the
//! only download of this program from a package index.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Place, Result};
use crate::printable::shown;
use crate::storage::StagedFolder;

use super::installer;
use super::locate::{SearchEnvironment, installed_in};

/// A package and its accepted versions.
struct Package {
    name: &'static str,
    versions: &'static str,
}

/// The lower bound is the first version with the C API that this program is built for
/// (API 24).
const CPU: Package = Package { name: "onnxruntime", versions: ">=1.24" };
/// With the CUDA 13 and cuDNN libraries it was built against. Upper bound 1.31: later
/// versions would be built against other libraries.
const CUDA: Package = Package { name: "onnxruntime-gpu[cuda,cudnn]", versions: ">=1.31,<1.32" };

/// Options of [`install`].
#[derive(Debug, Clone, Default)]
pub struct InstallOptions {
    /// The GPU package with its CUDA libraries (some 2 GB) instead of the CPU package.
    pub cuda: bool,
    /// Reinstall where it is installed already.
    pub force: bool,
    /// The folder; [`SearchEnvironment::runtime_dir`] where `None`.
    pub dir: Option<PathBuf>,
    /// An exact version; the newest accepted one where `None`.
    pub version: Option<String>,
}

/// The result of [`install`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The library, as [`super::locate`] finds it.
    pub library: PathBuf,
    /// Whether it was installed already and nothing was done.
    pub already: bool,
}

/// Folder in the temporary one for the installer's own temporary files, which are as large as the package:
/// they go with it if the run is killed, and the system's may be small, or another file system.
const SCRATCH: &str = ".installer";

/// Installs ONNX Runtime into `<dir>/cpu` or `<dir>/cuda`, atomically: the package is
/// unpacked into a temporary folder, synced and renamed. Does nothing where it is installed, unless
/// `force`.
///
/// # Errors
/// [`Error::Engine`] where neither uv nor pip is found, or the installer fails, with its
/// last lines; [`Error::CannotCreate`] for the folder; [`Error::Config`] where no folder is
/// given and none follows from the environment.
pub fn install(options: &InstallOptions, environment: &SearchEnvironment) -> Result<Installation> {
    let runtime = options.dir.as_ref().or(environment.runtime_dir.as_ref()).ok_or_else(|| {
        Error::Config("no home folder to install into; give --dir or set LSMI_ETL_RUNTIME_DIR".to_owned())
    })?;
    let target = runtime.join(if options.cuda { "cuda" } else { "cpu" });
    place(&target, options.force, |fresh| run(installers(&requirement(options), fresh, options.cuda)))
}

/// Fills a temporary folder beside `target` and renames it to `target` once it holds a
/// library.
fn place(target: &Path, force: bool, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Installation> {
    if let Some(library) = installed_in(target).filter(|_| !force) {
        // To sweep what a killed `--force` has left.
        _ = StagedFolder::create(target);
        return Ok(Installation { library, already: true });
    }
    let staged = StagedFolder::create(target)?;
    let scratch = staged.folder().join(SCRATCH);
    let failed = |doing, source| Error::io(Place::file(shown(target)), doing, source);
    fs::create_dir(&scratch).map_err(|source| failed("create", source))?;
    fill(staged.folder())?;
    fs::remove_dir_all(&scratch).map_err(|source| failed("remove", source))?;
    if installed_in(staged.folder()).is_none() {
        return Err(Error::Engine(
            "the package was installed but holds no library for this system; \
             download ONNX Runtime's release and give its folder with --onnxruntime"
                .to_owned(),
        ));
    }
    // Installers do not sync: after a power cut the name could stand for empty files.
    sync_files(staged.folder()).map_err(|source| failed("fsync", source))?;
    staged.commit()?;
    let library = installed_in(target)
        .ok_or_else(|| Error::Internal("the installed library was not found".to_owned()))?;
    Ok(Installation { library, already: false })
}

/// Syncs all files and folders in a folder; [`StagedFolder`] syncs the folder itself.
fn sync_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_files(&entry.path())?;
        }
        // Folders can be synced on Unix only.
        if kind.is_file() || (kind.is_dir() && cfg!(unix)) {
            File::open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

fn requirement(options: &InstallOptions) -> String {
    let package = if options.cuda { CUDA } else { CPU };
    match &options.version {
        Some(version) => format!("{}=={version}", package.name),
        None => format!("{}{}", package.name, package.versions),
    }
}

/// Commands that install a requirement into a folder, in order of preference.
fn installers(requirement: &str, target: &Path, dependencies: bool) -> Vec<Command> {
    let python = if cfg!(windows) { "python" } else { "python3" };
    let tools: [(&str, &[&str]); 2] = [
        ("uv", &["pip", "install"]),
        (python, &["-m", "pip", "install", "--no-input", "--progress-bar=off"]),
    ];
    tools
        .into_iter()
        .map(|(program, arguments)| {
            let mut command = Command::new(program);
            command.args(arguments).args(["--only-binary", ":all:", "--target"]).arg(target);
            if !dependencies {
                // The library does not need the dependencies of the Python module.
                command.arg("--no-deps");
            }
            // These settings of the user's would conflict with --target.
            command.arg(requirement).env("PIP_USER", "0").env("PIP_REQUIRE_VIRTUALENV", "0");
            command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").env("TMPDIR", target.join(SCRATCH));
            command
        })
        .collect()
}

/// Runs the first command whose program is installed.
fn run(commands: Vec<Command>) -> Result<()> {
    for command in commands {
        let program = command.get_program().to_string_lossy().into_owned();
        if !installer::is_on_path(command.get_program()) {
            continue;
        }
        tracing::info!("installing with {program}: this downloads the package and can take minutes");
        let output =
            installer::output(command).map_err(|e| Error::Engine(format!("cannot run {program}: {e}")))?;
        if output.status.success() {
            return Ok(());
        }
        let messages = String::from_utf8_lossy(&output.stderr);
        if messages.contains("No module named pip") {
            continue;
        }
        return Err(Error::Engine(format!(
            "{program} could not install ONNX Runtime ({}):\n{}",
            output.status,
            last_lines(&messages, 8)
        )));
    }
    Err(Error::Engine(
        "neither uv nor Python's pip was found; install one of them, or download \
         ONNX Runtime's release and give its folder with --onnxruntime"
            .to_owned(),
    ))
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const LIBRARY: &str = if cfg!(windows) {
        "onnxruntime.dll"
    } else if cfg!(target_os = "macos") {
        "libonnxruntime.1.32.0.dylib"
    } else {
        "libonnxruntime.so.1.32.0"
    };

    /// A fake installer that writes `content` as the library.
    fn wheel(content: &'static str) -> impl FnOnce(&Path) -> Result<()> {
        move |folder| {
            let capi = folder.join("onnxruntime/capi");
            fs::create_dir_all(&capi).unwrap();
            fs::write(capi.join(LIBRARY), content).unwrap();
            Ok(())
        }
    }

    fn entries(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_is_installed_once_and_anew_only_by_force() {
        let dir = TempDir::new().unwrap();
        let target = dir.path().join("runtime/cpu");
        let first = place(&target, false, wheel("one")).unwrap();
        assert!(!first.already);
        assert_eq!(first.library, target.join("onnxruntime/capi").join(LIBRARY));

        let again = place(&target, false, |_| panic!("must not install again")).unwrap();
        assert_eq!(again, Installation { already: true, ..first.clone() });

        let forced = place(&target, true, wheel("two")).unwrap();
        assert_eq!(forced, first);
        assert_eq!(fs::read_to_string(forced.library).unwrap(), "two");
        assert_eq!(entries(&dir.path().join("runtime")), ["cpu"]);
    }

    #[test]
    fn a_failed_installation_leaves_what_was_there() {
        let dir = TempDir::new().unwrap();
        let target = dir.path().join("cpu");
        let library = place(&target, false, wheel("one")).unwrap().library;
        let broken = |folder: &Path| {
            wheel("half")(folder)?;
            Err(Error::Engine("no network".to_owned()))
        };
        assert_eq!(place(&target, true, broken).unwrap_err().exit_code(), 69);
        assert_eq!(place(&target, true, |_| Ok(())).unwrap_err().exit_code(), 69);
        assert_eq!(fs::read_to_string(library).unwrap(), "one");
        assert_eq!(entries(dir.path()), ["cpu"]);
    }

    #[test]
    #[cfg(unix)]
    fn the_first_installer_that_is_there_decides() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let absent = || Command::new("no-such-installer-here");
        run(vec![absent(), shell("exit 0"), shell("exit 1")]).unwrap();
        run(vec![shell("echo 'No module named pip' >&2; exit 1"), shell("exit 0")]).unwrap();

        let failed = run(vec![shell("echo; echo no such version >&2; exit 3"), shell("exit 0")]).unwrap_err();
        assert!(failed.to_string().ends_with("no such version"), "{failed}");
        assert_eq!(failed.exit_code(), 69);

        let nothing = run(vec![absent()]).unwrap_err();
        assert!(nothing.to_string().starts_with("neither uv nor Python's pip was found"), "{nothing}");
    }

    #[test]
    fn only_the_gpu_package_brings_its_dependencies() {
        let arguments = |cuda| {
            let options = InstallOptions { cuda, ..InstallOptions::default() };
            let commands = installers(&requirement(&options), Path::new("t"), cuda);
            commands
                .iter()
                .map(|c| c.get_args().map(|a| a.to_str().unwrap().to_owned()).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        for line in arguments(false) {
            assert!(line.contains(&"--no-deps".to_owned()));
            assert_eq!(line.last().unwrap(), "onnxruntime>=1.24");
        }
        for line in arguments(true) {
            assert!(!line.contains(&"--no-deps".to_owned()));
            assert_eq!(line.last().unwrap(), "onnxruntime-gpu[cuda,cudnn]>=1.31,<1.32");
        }
        let pinned = InstallOptions { version: Some("1.30.0".to_owned()), ..InstallOptions::default() };
        assert_eq!(requirement(&pinned), "onnxruntime==1.30.0");
    }

    #[test]
    fn without_a_folder_it_says_which_to_give() {
        let error = install(&InstallOptions::default(), &SearchEnvironment::default()).unwrap_err();
        assert!(error.to_string().contains("LSMI_ETL_RUNTIME_DIR"), "{error}");
    }
}
