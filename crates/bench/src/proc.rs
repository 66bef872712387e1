//! What the kernel says of processes and of the machine (Linux only).

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// The unit of `/proc/…/stat`: a hundredth of a second on every architecture that Linux runs on here.
const TICK: Duration = Duration::from_millis(10);

fn read(path: impl AsRef<Path>) -> anyhow::Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn ticks(text: &str) -> Option<Duration> {
    text.parse::<u32>().ok().map(|ticks| TICK * ticks)
}

/// Processor time of a process (`self` for this one), in user and kernel mode.
pub(crate) fn process_cpu(pid: &str) -> anyhow::Result<Duration> {
    let text = read(format!("/proc/{pid}/stat"))?;
    // The name is in parentheses and may hold anything; what follows is counted from the third column.
    let columns: Vec<&str> = text.rsplit_once(')').context("stat has no name")?.1.split_whitespace().collect();
    let column = |n: usize| columns.get(n - 3).copied().and_then(ticks);
    column(14).zip(column(15)).map(|(user, kernel)| user + kernel).context("stat has no times")
}

/// Processor time that the whole machine has used, over all cores.
pub(crate) fn machine_cpu() -> anyhow::Result<Duration> {
    let text = read("/proc/stat")?;
    let times: Vec<u64> = text.lines().next().unwrap_or_default().split_whitespace().skip(1).flat_map(str::parse).collect();
    // user, nice, system, idle, iowait, irq, softirq: everything but waiting.
    let busy: u64 = [0, 1, 2, 5, 6].iter().filter_map(|at| times.get(*at)).sum();
    Ok(Duration::from_millis(busy * 10))
}

/// What a process holds in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// Of it, pages of files: the database, mapped, and the program itself. The kernel takes them back when it needs room.
    pub(crate) files: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = read(format!("/proc/{pid}/status"))?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).map(|kib| kib * 1024)
    };
    let found = kib("VmRSS").zip(kib("RssFile")).zip(kib("VmHWM"));
    let ((resident, files), peak) = found.context("the kernel does not say what the process holds")?;
    Ok(Memory { resident, files, peak })
}

/// The machine in one line.
pub(crate) fn machine() -> anyhow::Result<String> {
    let cpu = read("/proc/cpuinfo")?;
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map_or("?", |(_, name)| name.trim());
    let cores = cores();
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let memory = read("/proc/meminfo")?;
    let gib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024 / 1024;
    Ok(format!("{cores} cores of {model}, {gib} GiB, Linux {}", kernel.trim()))
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
