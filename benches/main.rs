//! One file for each question about speed, memory and accuracy. `cargo bench` asks them all,
//! `cargo bench -- writer` one; what they found stands in `README.md` beside this file.
//! They drive the release build of the program. What they print about speed are ratios of one run:
//! medians of rounds in which both sides take turns.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that can't go on has failed")]

mod accuracy;
mod accuracy_of_three;
mod accuracy_picture;
mod bed;
#[cfg(feature = "cluster")]
mod cluster;
mod end_to_end;
mod folds;
mod forms;
mod memory;
mod models;
mod peers;
mod python;
mod writer;

/// The name of each question, and what asks it.
const QUESTIONS: &[(&str, fn())] = &[
    ("models", models::ask),
    ("end-to-end", end_to_end::ask),
    ("writer", writer::ask),
    ("forms", forms::ask),
    ("memory", memory::ask),
    ("peers", peers::ask),
    ("python", python::ask),
    ("accuracy", accuracy::ask),
    ("accuracy-of-three", accuracy_of_three::ask),
    ("folds", folds::ask),
    #[cfg(feature = "cluster")]
    ("cluster", cluster::ask),
];

fn main() {
    // cargo adds flags of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let known = |name: &String| QUESTIONS.iter().any(|(question, _)| question == name);
    if let Some(unknown) = asked.iter().find(|name| !known(name)) {
        let names: Vec<&str> = QUESTIONS.iter().map(|(name, _)| *name).collect();
        panic!("no question {unknown:?}; there are {}", names.join(", "));
    }
    for (name, ask) in QUESTIONS {
        if asked.is_empty() || asked.iter().any(|wanted| wanted == name) {
            println!("\n{name}");
            ask();
        }
    }
}
