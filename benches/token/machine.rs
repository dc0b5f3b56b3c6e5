//! What the reader of a figure must know about the machine it was made on. All of it from `/proc`; elsewhere: "unknown".

use std::path::Path;

/// Cores, CPU model, kernel, and how busy the machine was in the last minute: ask before the benchmark begins.
pub(crate) fn description() -> String {
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = cores.lines().filter(|line| line.starts_with("processor")).count();
    let model = cores.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_else(|_| "unknown".to_owned());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{count} cores, {}, kernel {}, load average {} at the start",
        model.map_or("unknown CPU", |(_, name)| name),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown")
    )
}

/// The kind of file system a path is on: a database in memory would flatter what waits for a disk.
pub(crate) fn filesystem(path: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    // The longest mount point wins, and of equal ones the last mounted.
    let mount = mounts.filter(|(point, _)| path.starts_with(point)).max_by_key(|(point, _)| point.len());
    mount.map_or("unknown file system", |(_, kind)| kind).to_owned()
}
