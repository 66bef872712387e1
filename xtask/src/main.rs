//! `cargo xtask`: the whole toolbox. Set-up, build, demo, tests and checks; there is no second task runner and no shell script.
//!
//! Must stay quick to compile and must know no crate of the product: it looks at them from outside, as a person would.

mod bench;
mod browser;
mod build;
mod clients;
mod demo;
mod dev;
mod fuzz;
mod leptos;
mod nextest;
mod peers;
mod process;
mod progress;
mod rings;
mod schemathesis;
mod setup;
mod sim;
mod site;
mod stamp;
mod sysroot;
mod tidy;
mod toolchain;
mod wasm;
mod weight;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

/// A command of the toolbox: its name, what it is for, and what it does with the words after it.
struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace, &[String]) -> anyhow::Result<()>,
}

/// Every command, in the order of the help. `tidy` reads the names from here to check the documents.
const TASKS: &[Task] = &[
    Task { name: "setup", about: "install what building and testing need (does nothing twice)", run: setup::run },
    Task { name: "demo", about: "set up, build, and run a fleet of simulated devices with its console", run: demo::run },
    Task { name: "dev", about: "like demo, and build and restart whenever a file changes", run: dev::run },
    Task { name: "build", about: "build the browser half, the site and the server [--release]", run: build::run },
    Task { name: "test", about: "every ring of tests, with a sum at the end", run: rings::test },
    Task { name: "ci", about: "the same as test, as a machine runs it", run: rings::ci },
    Task { name: "lint", about: "formatting and clippy", run: rings::lint },
    Task { name: "e2e", about: "the browser journeys [words for Playwright]", run: browser::run },
    Task { name: "sim", about: "simulate a fleet in process, from random seeds or from one [SEED]", run: sim::run },
    Task { name: "fuzz", about: "the readers of foreign bytes under libFuzzer [TARGET…] [--minutes N]", run: fuzz::run },
    Task {
        name: "schemathesis",
        about: "requests drawn from the API description, each answer checked against it [--cases N] [--seed N]",
        run: schemathesis::run,
    },
    Task {
        name: "bench", about: "measure the release build against the bars of the product [NAME…] [--quick]", run: bench::run
    },
    Task {
        name: "tidy",
        about: "the house rules that a program can check [--ratchet takes shrunken sizes over]",
        run: tidy::run,
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = words.first().and_then(|name| TASKS.iter().find(|task| task.name == name)) else {
        print_help();
        let asked = matches!(words.first().map(String::as_str), None | Some("help" | "--help" | "-h"));
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    // `cargo xtask demo -- --devices 50` and `cargo xtask demo --devices 50` mean the same.
    let rest: Vec<String> = words[1..].iter().skip_while(|word| *word == "--").cloned().collect();
    match Workspace::find().and_then(|workspace| (task.run)(&workspace, &rest)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask {}: {error:#}", task.name);
            ExitCode::FAILURE
        }
    }
}

fn print_help() {
    println!("cargo xtask <command>\n");
    for task in TASKS {
        println!("  {:<14}{}", task.name, task.about);
    }
}
