//! The secret of access tokens in the data folder: made once, kept for its owner alone.
//!
//! **Invariant:** whoever starts first makes it, whole; everybody after that reads the same.

use super::TokenSecret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridwork_sealing::KeyringError;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the file.
const FILE: &str = "token-secret";
/// Random bytes of a new secret.
const SECRET_BYTES: usize = 32;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file or its folder.
    #[error("the secret {path} cannot be read or made")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error("others than its owner may read the secret {0}: chmod 600, and if they may have read it, delete it")]
    Open(PathBuf),
    /// It is no secret.
    #[error("the file {0} holds no secret of ours: delete it, and all must sign in again")]
    Broken(PathBuf),
    /// The keys of citizen numbers are none.
    #[error(
        "the file {path} holds no keys of ours: put back the one that does; what is sealed to lost keys stays shut"
    )]
    BrokenKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyringError,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Entropy,
}

/// The secret in this folder; it is made if it is not there.
pub(super) fn keep(folder: &Path) -> Result<TokenSecret, SecretError> {
    let path = folder.join(FILE);
    match fs::symlink_metadata(&path) {
        Ok(_) => read(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder, FILE, &URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>()?))?;
            read(path)
        }
        Err(source) => Err(SecretError::File { path, source }),
    }
}

/// The content of a file that only its owner may read.
pub(super) fn read_private(path: &Path) -> Result<Vec<u8>, SecretError> {
    let failed = |source| SecretError::File { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(SecretError::Open(path.to_owned()));
    }
    fs::read(path).map_err(failed)
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SecretError::Entropy)?;
    Ok(bytes)
}

fn read(path: PathBuf) -> Result<TokenSecret, SecretError> {
    let text = read_private(&path)?;
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_ascii()).ok();
    bytes.and_then(TokenSecret::new).ok_or(SecretError::Broken(path))
}

/// Writes a file beside its place and links it there, so that nobody ever reads half of it, and who comes second finds
/// the first one's.
pub(super) fn make(folder: &Path, name: &str, content: &str) -> Result<(), SecretError> {
    let path = folder.join(name);
    let draft = folder.join(format!("{name}.{}", URL_SAFE_NO_PAD.encode(random::<8>()?)));
    let made = (|| {
        write(folder, &draft, content)?;
        match fs::hard_link(&draft, &path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    })();
    let removed = fs::remove_file(&draft);
    made.and(removed).map_err(|source| SecretError::File { path, source })
}

/// Writes a file beside its place and moves it there, so that there is always the whole old one or the whole new one.
pub(super) fn replace(folder: &Path, name: &str, content: &str) -> Result<(), SecretError> {
    let path = folder.join(name);
    let draft = folder.join(format!("{name}.{}", URL_SAFE_NO_PAD.encode(random::<8>()?)));
    let done = write(folder, &draft, content).and_then(|()| fs::rename(&draft, &path));
    let done = done.and_then(|()| fs::File::open(folder)?.sync_all());
    done.map_err(|source| SecretError::File { path, source })
}

fn write(folder: &Path, path: &Path, content: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let within = folder.path().join("data");
        let first = keep(&within).expect("a secret");
        assert_eq!(keep(&within).expect("the same"), first);
        let mode = fs::metadata(within.join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = fs::read_dir(&within).expect("a folder").count();
        assert_eq!(files, 1, "no draft is left over");
    }

    #[test]
    fn two_who_start_at_once_find_one_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| keep(folder.path()).expect("a secret"))).collect();
            starts.into_iter().map(|start| start.join().expect("no panic")).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn a_secret_that_others_may_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        fs::write(&path, "short").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(keep(folder.path()), Err(SecretError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        assert!(matches!(keep(folder.path()), Err(SecretError::Broken(_))));
    }
}
