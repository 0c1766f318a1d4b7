//! Executors that are killed at random moments, over many runs of one cluster. `LSMI_CRASH_ROUNDS` sets how many.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::killed::{Work, spawn};
use super::{Cluster, finish};

/// About as long as a run takes.
const LATEST_KILL: Duration = Duration::from_millis(1500);

#[test]
fn whichever_executor_is_killed_the_outputs_are_those_of_one_machine() {
    let rounds = std::env::var("LSMI_CRASH_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let work = Work::new(8, 20_000);
    let mut cluster = Cluster::with_executor_timeout(2, 3);
    let mut random = ChaCha8Rng::seed_from_u64(17);
    for round in 0..rounds {
        let client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
        let (victim, after) = (random.random_range(0..2), LATEST_KILL.mul_f64(random.random_range(0.0..1.0)));
        std::thread::sleep(after);
        cluster.executors[victim].kill();
        drop(cluster.executors.remove(victim));
        cluster.add_executor(&[]);
        let ran = finish(client);
        let what = format!("round {round}, executor {victim} after {after:?}");
        assert_eq!(ran.code, 0, "{what}: {}\n{}", ran.stderr, cluster.scheduler.log());
        work.check();
        std::fs::remove_dir_all(&work.output).unwrap();
    }
}
