//! The real binary, as somebody at a terminal runs it.

use crate::store;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The binary that was built beside these tests.
pub(crate) fn path() -> PathBuf {
    let tests = std::env::current_exe().expect("the path of the tests");
    let profile = tests.parent().and_then(Path::parent).expect("target/<profile>/deps/stories");
    let binary = profile.join("gridwork");
    assert!(binary.exists(), "{} is missing: run tests/run, or cargo build --release first", binary.display());
    binary
}

/// A command of the binary that knows nothing of the environment of the tests.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    let settings = std::env::vars_os().map(|(name, _)| name);
    let is_ours =
        |name: &String| name.starts_with("GRIDWORK_") || ["DATABASE_URL", "REDIS_URL"].contains(&name.as_str());
    for name in settings.filter_map(|name| name.into_string().ok()).filter(is_ours) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A command of the binary about the registry in a folder.
pub(crate) fn about(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command.env("GRIDWORK_DATA_DIR", folder);
    if let Some(url) = store::url(folder) {
        command.env("DATABASE_URL", url);
    }
    command
}

/// What a command said, and whether it ended well.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { success: output.status.success(), out: text(output.stdout), error: text(output.stderr) }
    }

    /// What it said on its way to success.
    pub(crate) fn well(self) -> String {
        assert!(self.success, "{}{}", self.out, self.error);
        self.out
    }
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Said {
    Said::of(command(arguments).output().expect("the binary runs"))
}

/// Runs `gridwork phone` on a folder to its end.
pub(crate) fn phone(folder: &Path, arguments: &[&str]) -> Said {
    let folder = folder.to_str().expect("a path in UTF-8");
    run(&[&["phone", "--dir", folder], arguments].concat())
}
