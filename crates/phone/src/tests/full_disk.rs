//! A full disk, on a real file system of a few megabytes that is mounted for this test alone.

use super::*;
use crate::{NotSaved, RESERVE_BYTES};
use std::fs::{self, File};
use std::io::Write;
use std::process::Command;

/// Where the small file system is mounted, in the process that runs the test on it.
const DISK: &str = "GRIDWORK_SMALL_DISK";
const NAME: &str = "tests::full_disk::a_full_disk_says_not_saved_and_what_was_saved_is_still_handed_in";

/// Visits that somebody else recorded, of 4 kB each.
const NEWS: usize = 250;

/// Runs this test once more in a mount namespace of its own, where it may mount. `None` if the system permits neither.
fn run_on_a_small_disk() -> Option<bool> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let script = r#"mount -t tmpfs -o size=8m tmpfs "$GRIDWORK_SMALL_DISK" && exec "$0" --exact "$1" --nocapture"#;
    let permitted =
        |flags: &&[&str]| Command::new("unshare").args(*flags).arg("true").status().is_ok_and(|one| one.success());
    let flags = [["--mount"].as_slice(), &["--user", "--map-root-user", "--mount"]].into_iter().find(permitted)?;
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", script]).arg(program).arg(NAME).env(DISK, folder.path());
    Some(command.status().expect("unshare runs").success())
}

/// Takes all room that is left.
fn fill(disk: &Path) {
    let mut filler = File::create(disk.join("filler")).expect("created");
    for size in [65_536, 4_096, 1] {
        while filler.write_all(&vec![1; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_says_not_saved_and_what_was_saved_is_still_handed_in() {
    let Some(disk) = std::env::var_os(DISK) else {
        match run_on_a_small_disk() {
            Some(success) => assert!(success, "the test failed on the small disk"),
            None => eprintln!("this system lets nobody mount a file system: the full disk was not tested"),
        }
        return;
    };
    let disk = Path::new(&disk);
    let (registry, elsewhere) = (Registry::new(), tempfile::tempdir_in("/tmp").expect("a folder"));
    let around = || Surroundings { reserve_bytes: RESERVE_BYTES, ..around(&registry, 0) };
    let store = disk.join("phone");
    let mut phone = Phone::enrol_with(&store, SERVER, "CODE", around()).expect("enrolled");
    register(&mut phone, 1);
    phone.sync().expect("the store works");
    // News for which there will be no room.
    let mut other = enrol(elsewhere.path(), &registry);
    other.sync().expect("the store works");
    for number in 0..NEWS {
        let household = 100 + (number % 50) as u8;
        if number < 50 {
            register(&mut other, household);
        }
        let action = visit(&mut other, &"很长".repeat(600));
        record(&mut other, household, action);
    }
    assert_eq!(other.sync().expect("the store works").failure, None);

    record_visit(&mut phone, 1);
    fill(disk);
    // The log has room left for a while; then nothing more is saved, and nothing is half saved.
    let mut saved = 1;
    let refused = loop {
        let action = visit(&mut phone, "老人精神很好");
        let edit = phone.edit(home(1), action);
        let before = phone.dump();
        match phone.record(edit.clone(), None, None) {
            Ok(()) => saved += 1,
            Err(error) => {
                assert!(matches!(error, NotSaved::Full), "{error:?}");
                assert_eq!(error.to_string(), "not saved: the disk is full");
                assert!(phone.dump() == before);
                break edit;
            }
        }
        assert!(saved < 2_000, "the disk is full");
    };
    println!("{saved} visits were saved on the full disk");
    assert_eq!(phone.outbox().count(), saved);
    let before = phone.dump();
    drop(phone);
    let mut phone = Phone::open_with(&store, around()).expect("it opens on a full disk");
    assert!(phone.dump() == before);

    let report = phone.sync().expect("what was saved can be handed in");
    assert_eq!(report.failure, None);
    assert_eq!(phone.outbox().count(), 0);
    assert!(!store.join("reserve").exists(), "the reserve was given up for it");
    // Whatever room others leave is taken again, so that there is none for news.
    fill(disk);
    assert!(phone.is_full());
    assert!(matches!(phone.record(refused.clone(), None, None), Err(NotSaved::Full)));
    for _ in 0..3 {
        let report = phone.sync().expect("it stays of use");
        assert_eq!(report.failure, None);
    }
    drop(phone);
    let mut phone = Phone::open_with(&store, around()).expect("it opens on a full disk");
    assert!(phone.household(home(1)).is_some());

    fs::remove_file(disk.join("filler")).expect("removed");
    phone.sync().expect("the store works");
    assert!(!phone.is_full());
    phone.record(refused, None, None).expect("there is room again");
    phone.sync().expect("the store works");
    other.sync().expect("the store works");
    assert!(phone.dump() == other.dump(), "the phones differ");
    assert_eq!(phone.dump().facts.len(), NEWS + saved + 1);
}
