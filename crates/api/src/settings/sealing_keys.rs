//! The keys of citizen numbers in the data folder: made once, kept for its owner alone, and added to by a rotation.
//!
//! **Invariant:** a key that was there once is there for ever, unless somebody takes the file away: what is sealed to it
//! would stay shut.

use super::secret::{SecretError, make, random, read_private, replace};
use gridwork_sealing::Keyring;
use std::path::Path;

/// Name of the file.
const FILE: &str = "sealing-keys";

/// The keys in this folder; they are made if they are not there.
pub(super) fn keep(folder: &Path) -> Result<Keyring, SecretError> {
    if let Some(keys) = find(folder)? {
        return Ok(keys);
    }
    make(folder, FILE, &Keyring::new([random()?, random()?]).to_text())?;
    read(&folder.join(FILE))
}

/// The keys in this folder, if there are any.
pub(super) fn find(folder: &Path) -> Result<Option<Keyring>, SecretError> {
    let path = folder.join(FILE);
    let is_there = path.try_exists().map_err(|source| SecretError::File { path: path.clone(), source })?;
    is_there.then(|| read(&path)).transpose()
}

/// Writes keys into this folder in place of those that are there.
pub(super) fn replace_all(folder: &Path, keys: &Keyring) -> Result<(), SecretError> {
    replace(folder, FILE, &keys.to_text())
}

fn read(path: &Path) -> Result<Keyring, SecretError> {
    let broken = |source| SecretError::BrokenKeys { path: path.to_owned(), source };
    String::from_utf8_lossy(&read_private(path)?).parse().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_made_once_and_a_rotation_keeps_the_old_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(find(folder.path()).expect("none yet"), None);
        let first = keep(folder.path()).expect("keys");
        assert_eq!(keep(folder.path()).expect("the same"), first);
        let rotated = first.clone().rotated([9; 32]);
        replace_all(folder.path(), &rotated).expect("one more");
        assert_eq!(keep(folder.path()).expect("both"), rotated);
        assert_eq!(rotated.public_keys().next(), first.current());
        assert!(rotated.current() != first.current() && rotated.lookup_id() == first.lookup_id());
        let mode = fs::metadata(folder.path().join(FILE)).expect("a file").permissions().mode();
        assert_eq!((mode & 0o777, fs::read_dir(folder.path()).expect("a folder").count()), (0o600, 1));
    }

    #[test]
    fn keys_that_others_may_read_or_that_are_none_are_refused_and_never_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        fs::write(&path, "seal:short").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
        assert!(matches!(keep(folder.path()), Err(SecretError::Open(_))));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        assert!(matches!(keep(folder.path()), Err(SecretError::BrokenKeys { .. })));
        assert_eq!(fs::read(&path).expect("a file"), b"seal:short");
    }
}
