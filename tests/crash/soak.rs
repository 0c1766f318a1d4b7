//! A soak: runs that are killed, told to stop, started twice, refused space by the disk and answered 503
//! by a store, one after the other in the same folders. Each round ends with a run that must give the bytes of
//! an undisturbed one; at the end there is nothing but outputs, and a run takes no more memory than at
//! the start. `LSMI_SOAK_SECONDS` sets the length.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{annotate, work};
use crate::faults::shim;
use crate::harness::files::listing;
use crate::harness::stores::Server;
use crate::harness::{Ran, bundle, last_json, must, run, scratch};

/// Of the requests to the store, how many fail.
const FAILING: &str = "0.05";

fn length() -> Duration {
    let seconds = std::env::var("LSMI_SOAK_SECONDS").map_or(5, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// What happens to the runs of a round.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Killed,
    Stopped,
    Twice,
    DiskFull,
    Store,
}

const TROUBLES: [Trouble; 5] =
    [Trouble::Killed, Trouble::Stopped, Trouble::Twice, Trouble::DiskFull, Trouble::Store];

struct Soak<'a> {
    folder: &'a Path,
    temporary: &'a Path,
    store: &'a Server,
    whole: Duration,
    random: ChaCha8Rng,
}

impl Soak<'_> {
    fn annotate(&self) -> Command {
        let mut command = annotate(&work().input, &self.folder.join("out.parquet"), &[]);
        command.env("TMPDIR", self.temporary);
        command
    }

    /// The same to the store.
    fn upload(&self) -> Command {
        let mut command = self.store.lsmi();
        command.args(["annotate", "--json", "--overwrite", "--bundle"]).arg(bundle());
        command.arg(&work().input).arg("s3://data/out.parquet");
        command.env("TMPDIR", self.temporary).env("LSMI_ETL_RETRY_SECONDS", "20");
        command
    }

    fn round(&mut self, trouble: Trouble) {
        let after = self.whole.mul_f64(self.random.random_range(0.0..1.0));
        match trouble {
            Trouble::Killed | Trouble::Stopped => {
                let mut child = self.annotate();
                let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                sleep(after);
                match trouble {
                    Trouble::Killed => child.kill().unwrap(),
                    _ => _ = Command::new("kill").arg(child.id().to_string()).output().unwrap(),
                }
                let status = child.wait().unwrap();
                assert!([None, Some(0), Some(75)].contains(&status.code()), "{trouble:?}: {status}");
            }
            Trouble::Twice => {
                let start = || {
                    let mut child = self.annotate();
                    child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
                };
                let ran = [start(), start()].map(|child| Ran::from(child.wait_with_output().unwrap()));
                let codes = ran.each_ref().map(|ran| ran.code);
                assert!(codes.contains(&0) && codes.iter().all(|code| [0, 75].contains(code)), "{codes:?}");
            }
            Trouble::DiskFull => {
                let mut command = self.annotate();
                command.env("LD_PRELOAD", shim()).env("FAULT_CALLS", "write").env("FAULT_PATH", self.folder);
                command.env("FAULT_AT", self.random.random_range(1..60).to_string()).env("FAULT_DO", "28");
                let ran = run(&mut command);
                assert!([0, 74].contains(&ran.code), "{trouble:?}: {} {}", ran.code, ran.stderr);
            }
            Trouble::Store => {
                let ran = run(&mut self.upload());
                assert!([0, 75].contains(&ran.code), "{trouble:?}: {} {}", ran.code, ran.stderr);
                return;
            }
        }
        let ran = run(&mut self.annotate());
        assert_eq!(ran.code, 0, "after {trouble:?}: {}", ran.stderr);
        assert!(
            fs::read(self.folder.join("out.parquet")).unwrap() == work().undisturbed,
            "after {trouble:?}"
        );
        assert_eq!(listing(self.folder), ["out.parquet"], "after {trouble:?}");
        fs::remove_file(self.folder.join("out.parquet")).unwrap();
    }
}

fn peak(ran: &Ran) -> f64 {
    last_json(ran)["peak_memory_bytes"].as_f64().unwrap()
}

#[test]
fn troubles_leave_nothing_behind() {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let [folder, temporary] = ["out", "tmp"].map(|name| dir.path().join(name));
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&temporary).unwrap();
    let store = Server::failing_s3(FAILING);
    let start = Instant::now();
    let (folder, temporary) = (&folder, &temporary);
    let random = ChaCha8Rng::seed_from_u64(17);
    let mut soak = Soak { folder, temporary, store: &store, whole: Duration::ZERO, random };
    let first = must(&mut soak.annotate());
    soak.whole = start.elapsed();
    fs::remove_file(folder.join("out.parquet")).unwrap();

    let mut rounds = 0;
    while start.elapsed() < length() || rounds < TROUBLES.len() {
        soak.round(TROUBLES[rounds % TROUBLES.len()]);
        rounds += 1;
    }
    let last = must(&mut soak.annotate());
    assert!(peak(&last) < 1.3 * peak(&first), "{} of {} bytes", peak(&last), peak(&first));

    let mut uploaded = run(&mut soak.upload());
    for _ in 0..20 {
        if uploaded.code == 0 {
            break;
        }
        uploaded = run(&mut soak.upload());
    }
    assert_eq!(uploaded.code, 0, "{}", uploaded.stderr);
    let back = dir.path().join("back.parquet");
    store.get("out.parquet", &back);
    assert!(fs::read(back).unwrap() == work().undisturbed, "the object differs");
    assert!(listing(temporary).is_empty(), "{:?}", listing(temporary));
    println!("{rounds} rounds in {:?}", start.elapsed());
}
