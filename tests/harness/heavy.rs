//! Python environments that weigh gigabytes: made once below the user's cache folder, and shared by
//! all target folders.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use super::{must, repository};

/// Python with the packages of a file of requirements, in
/// `${XDG_CACHE_HOME:-~/.cache}/lsmi-etl/python/NAME`.
///
/// With `--no-deps` among the options, exactly these packages. One that was made from other
/// requirements is replaced.
pub fn heavy_environment(name: &str, requirements: &str, options: &[&str]) -> PathBuf {
    let requirements = repository().join(requirements);
    let key = format!("{options:?}\n{}", fs::read_to_string(&requirements).unwrap());
    let folder = cache();
    fs::create_dir_all(&folder).unwrap();
    let (venv, stamp) = (folder.join(name), folder.join(format!("{name}.key")));
    let lock = File::create(folder.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !venv.exists() || fs::read_to_string(&stamp).ok().as_deref() != Some(&key) {
        let _ = fs::remove_file(&stamp);
        let _ = fs::remove_dir_all(&venv);
        must(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        // The packages' archives would take as much room again in pip's own cache.
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"];
        must(Command::new(venv.join("bin/python")).args(pip).args(options).arg("-r").arg(&requirements));
        fs::write(stamp, key).unwrap();
    }
    venv.join("bin/python")
}

fn cache() -> PathBuf {
    let named = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let cache = named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.unwrap_or_else(std::env::temp_dir).join("lsmi-etl/python")
}
