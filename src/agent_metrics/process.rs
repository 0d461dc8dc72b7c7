//! What Linux says of the process: the standard `process_*` metrics.
//!
//! Written here because the metrics library counts processor time in whole seconds only.

use std::fs;

use crate::exposition::FamilyType;

/// Clock ticks in a second as `/proc` shows them: `USER_HZ` of every architecture that Rust's Linux targets share.
const TICKS_PER_SECOND: f64 = 100.0;
/// `/proc/self/status` counts memory in these.
const KIBIBYTE: f64 = 1024.0;

/// A metric of one sample without labels.
pub(super) struct ProcessMetric {
    pub(super) name: &'static str,
    pub(super) family: FamilyType,
    pub(super) help: &'static str,
    pub(super) value: f64,
}

/// The process at this moment, sorted by name; what cannot be read is left out.
pub(super) fn process_metrics() -> Vec<ProcessMetric> {
    let proc = Proc::read();
    let gauge = |name, help, value: Option<f64>| (name, FamilyType::Gauge, help, value);
    let counter = |name, help, value: Option<f64>| (name, FamilyType::Counter, help, value);
    let metrics = [
        counter("process_cpu_seconds_total", "Processor time used, in seconds.", proc.cpu_seconds()),
        gauge("process_max_fds", "Most file descriptors that may be open.", proc.limit("Max open files")),
        counter("process_network_receive_bytes_total", "What the host received, in bytes.", proc.network("InOctets")),
        counter("process_network_transmit_bytes_total", "What the host sent, in bytes.", proc.network("OutOctets")),
        gauge("process_open_fds", "Open file descriptors.", open_files()),
        gauge("process_resident_memory_bytes", "Resident memory, in bytes.", proc.memory("VmRSS:")),
        gauge("process_start_time_seconds", "When the process began.", proc.start_seconds()),
        gauge("process_threads", "Threads of the process.", proc.status("Threads:")),
        gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.", proc.memory("VmSize:")),
        gauge(
            "process_virtual_memory_max_bytes",
            "Most virtual memory, in bytes; -1 if there is no limit.",
            Some(proc.limit("Max address space").unwrap_or(-1.0)),
        ),
    ];
    let read = metrics
        .into_iter()
        .filter_map(|(name, family, help, value)| Some(ProcessMetric { name, family, help, value: value? }));
    read.collect()
}

/// What `/proc` said (proc(5)); empty where it could not be read.
struct Proc {
    stat: String,
    status: String,
    limits: String,
    network: String,
}

impl Proc {
    fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            stat: read("/proc/self/stat"),
            status: read("/proc/self/status"),
            limits: read("/proc/self/limits"),
            network: read("/proc/self/net/netstat"),
        }
    }

    /// A field of `stat`, counted from one as the manual does. The second, the name, may contain spaces.
    fn field(&self, number: usize) -> Option<f64> {
        let (_, rest) = self.stat.rsplit_once(')')?;
        rest.split_ascii_whitespace().nth(number - 3)?.parse().ok()
    }

    fn status(&self, name: &str) -> Option<f64> {
        first_number(self.status.lines().find_map(|line| line.strip_prefix(name))?)
    }

    fn memory(&self, name: &str) -> Option<f64> {
        Some(self.status(name)? * KIBIBYTE)
    }

    /// A soft limit; `None` if there is none.
    fn limit(&self, name: &str) -> Option<f64> {
        first_number(self.limits.lines().find_map(|line| line.strip_prefix(name))?)
    }

    fn cpu_seconds(&self) -> Option<f64> {
        Some((self.field(14)? + self.field(15)?) / TICKS_PER_SECOND)
    }

    fn start_seconds(&self) -> Option<f64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let boot = first_number(stat.lines().find_map(|line| line.strip_prefix("btime "))?)?;
        Some(boot + self.field(22)? / TICKS_PER_SECOND)
    }

    /// A number of the line `IpExt:` by the name above it, as blackbox_exporter's library reads it.
    fn network(&self, name: &str) -> Option<f64> {
        let mut lines = self.network.lines().filter_map(|line| line.strip_prefix("IpExt:"));
        let at = lines.next()?.split_ascii_whitespace().position(|known| known == name)?;
        lines.next()?.split_ascii_whitespace().nth(at)?.parse().ok()
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

fn open_files() -> Option<f64> {
    // The directory being read is one of them, and is closed again.
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as f64)
}
