//! Room on the disk that is kept for the time when there is no other: a file that is given up then.
//!
//! While it is there, new work is recorded; once the disk is full, nothing new is, and the room serves to hand in what
//! was recorded before.
//!
//! **Invariant:** the file is there in full length, written and synced, or it does not count.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(super) fn new(folder: &Path, bytes: u64) -> Self {
        Self { path: folder.join("reserve"), bytes }
    }

    /// Whether the file is there; it is written if there is room for it.
    pub(super) fn hold(&self) -> bool {
        if fs::metadata(&self.path).is_ok_and(|there| there.len() == self.bytes) {
            return true;
        }
        let written = self.write().is_ok();
        if !written {
            self.release();
        }
        written
    }

    /// Gives the room up.
    pub(super) fn release(&self) {
        // What cannot be removed can at least be emptied; if neither works, the next save says so.
        if fs::remove_file(&self.path).is_err() {
            let _ = File::create(&self.path);
        }
    }

    fn write(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        // Written and not just set to its length: a file with holes takes no room.
        let block = [0x5a; 16 * 1024];
        let mut left = self.bytes;
        while left > 0 {
            let length = left.min(block.len() as u64);
            file.write_all(&block[..length as usize])?;
            left -= length;
        }
        file.sync_all()
    }
}
