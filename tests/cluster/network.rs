//! Scheduler, client and executors in network namespaces of their own, one of which is cut off for half a
//! minute. Needs root, and `ip` of iproute2: `suite cluster::network -- --ignored`.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::killed::{Work, spawn};
use super::{Cluster, DEADLINE, Process, finish, start_scheduler, within};
use crate::harness::{last_json, lsmi, must};

const CUT: Duration = Duration::from_secs(30);

/// A bridge on this machine, 10.99.18.1, and namespaces that hang on it.
struct Network {
    bridge: String,
    namespaces: Vec<String>,
}

fn ip(line: &str) {
    must(Command::new("ip").args(line.split(' ')));
}

impl Network {
    fn new(namespaces: usize) -> Self {
        let id = std::process::id() % 10_000;
        let mut network = Self { bridge: format!("lsmi{id}"), namespaces: Vec::new() };
        let bridge = network.bridge.clone();
        ip(&format!("link add {bridge} type bridge"));
        ip(&format!("addr add 10.99.18.1/24 dev {bridge}"));
        ip(&format!("link set {bridge} up"));
        for number in 0..namespaces {
            let name = format!("lsmi{id}n{number}");
            network.namespaces.push(name.clone());
            ip(&format!("netns add {name}"));
            ip(&format!("link add {name}a type veth peer name {name}b"));
            ip(&format!("link set {name}b netns {name}"));
            ip(&format!("link set {name}a master {bridge} up"));
            ip(&format!("netns exec {name} ip addr add 10.99.18.{}/24 dev {name}b", number + 10));
            ip(&format!("netns exec {name} ip link set {name}b up"));
            ip(&format!("netns exec {name} ip link set lo up"));
        }
        network
    }

    fn executor(&self, number: usize) -> Process {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespaces[number]]).arg(lsmi().get_program());
        command.args(["cluster", "executor", "--slots", "1", "--scheduler", "10.99.18.1:50950", "--bind"]);
        Process::start("executor", command.arg(format!("10.99.18.{}:50960", number + 10)))
    }

    fn set(&self, number: usize, state: &str) {
        ip(&format!("link set {}a {state}", self.namespaces[number]));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
        let _ = Command::new("ip").args(["link", "del", &self.bridge]).status();
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn an_executor_whose_network_is_cut_is_done_without_and_disturbs_nothing_afterwards() {
    let work = Work::new(30, 200_000);
    let network = Network::new(2);
    let cluster = Cluster {
        scheduler: start_scheduler("10.99.18.1:50950", 6),
        executors: vec![network.executor(0), network.executor(1)],
        address: "10.99.18.1:50950".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
    };
    cluster.scheduler.says("scheduler listens on ");
    let joined = || {
        let status = super::run(lsmi().args(["cluster", "status", "--json", &cluster.address]));
        (status.code == 0 && last_json(&status)["executors"] == 2).then_some(())
    };
    assert!(within(DEADLINE, joined).is_some(), "{}", cluster.executors[0].log());
    let client = spawn(&mut cluster.annotate(&work.input, &work.output, &[]));
    work.wait_for(2);
    network.set(0, "down");
    sleep(CUT);
    network.set(0, "up");
    let ran = finish(client);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stderr, cluster.scheduler.log());
    work.check();
    assert_eq!(last_json(&ran)["files"], 30);
    // What it has missed does not appear afterwards, and it joins again.
    assert!(within(DEADLINE, joined).is_some(), "{}", cluster.executors[0].log());
    work.check();
}
