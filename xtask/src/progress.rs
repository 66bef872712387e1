//! What the terminal shows while something takes its time: what, why, and how long it took.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// Runs one step between two lines: what it does and why, then how long it took. The step's own output stands between them.
pub(crate) fn step<T>(what: &str, why: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    eprintln!("\n==> {what}: {why}");
    let outcome = run();
    let time = duration(started.elapsed());
    match &outcome {
        Ok(_) => eprintln!("    {what}: done in {time}"),
        Err(_) => eprintln!("    {what}: failed after {time}"),
    }
    outcome
}

/// A line about a step that has nothing to do.
pub(crate) fn unchanged(what: &str) {
    eprintln!("    {what}: unchanged");
}

/// A line of explanation within a step.
pub(crate) fn note(text: &str) {
    eprintln!("    {text}");
    let _ = std::io::stderr().flush();
}

/// A duration as people say it: `0.4 s`, `12 s`, `3 min 5 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_people_say_it() {
        for (millis, text) in
            [(40, "0.0 s"), (9_940, "9.9 s"), (10_000, "10 s"), (59_999, "59 s"), (60_000, "1 min 0 s"), (185_000, "3 min 5 s")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }
}
