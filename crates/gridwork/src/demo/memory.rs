//! How much memory this process and all its children hold, sampled from `/proc` (Linux).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SAMPLE_EVERY: Duration = Duration::from_millis(400);

/// Samples until it is dropped.
pub(crate) struct MemoryWatch {
    peak_bytes: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
}

impl MemoryWatch {
    /// Begins to sample this process in a thread of its own.
    pub(crate) fn start() -> Self {
        Self::of(std::process::id())
    }

    /// Begins to sample another process.
    pub(crate) fn of(process: u32) -> Self {
        let (peak_bytes, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let watch = Self { peak_bytes: peak_bytes.clone(), stopped: stopped.clone() };
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                peak_bytes.fetch_max(resident_bytes(process), Ordering::Relaxed);
                std::thread::sleep(SAMPLE_EVERY);
            }
        });
        watch
    }

    /// The largest sum of resident memory that was seen, in bytes; 0 where there is no `/proc`.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// Resident bytes of a process and of all that descend from it.
fn resident_bytes(root: u32) -> u64 {
    let mut processes: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let number = |label: &str| -> Option<u64> {
            status.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()?.parse().ok()
        };
        let parent = number("PPid:").and_then(|parent| u32::try_from(parent).ok());
        processes.insert(id, (parent.unwrap_or(0), number("VmRSS:").unwrap_or(0) * 1024));
    }
    let descends = |mut id: u32| {
        while id != root {
            match processes.get(&id) {
                Some((parent, _)) if *parent != 0 && *parent != id => id = *parent,
                _ => return false,
            }
        }
        true
    };
    processes.iter().filter(|(id, _)| descends(**id)).map(|(_, (_, bytes))| bytes).sum()
}
