//! A phone whose disk is full says so before anything is half saved.
//!
//! The disk is a real file system of a few megabytes, in a mount namespace of its own, which takes no privileges.

use crate::people::enrolment_code;
use crate::program::{self, Said};
use crate::rest::Session;
use crate::town::{LI, Town, ZHOU};
use std::path::Path;
use std::process::{Command, Stdio};

/// Enrols a phone on the small disk and fills the disk up; says after each step how it ended. `$1` is the binary, `$2`
/// the mount point, `$3` the server, `$4` the code, `$5` the household.
const A_DAY_ON_A_FULL_DISK: &str = r#"
set -u
mount -t tmpfs -o size=12m gridwork "$2" || exit 90
phone() { "$gridwork" phone --dir "$disk/phone" "$@" 2>&1; echo "-> $?"; }
gridwork=$1; disk=$2; server=$3; code=$4; household=$5
echo "== before"
phone enrol "$server" "$code"
phone sync
phone visit "$household" --note before
echo "== full"
cat /dev/zero >"$disk/filler" 2>/dev/null
phone visit "$household" --note full
phone correct "$household" remark=full
phone show "$household"
phone status
echo "== syncing on the full disk"
phone sync
echo "== freed"
rm "$disk/filler"
phone visit "$household" --note after
phone sync
phone show "$household"
phone status
"#;

fn run_on_a_small_disk(disk: &Path, server: &str, code: &str, household: &str) -> Said {
    let binary = program::path();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", A_DAY_ON_A_FULL_DISK, "sh"]);
    command.arg(binary).arg(disk).args([server, code, household]).stdin(Stdio::null());
    let output = command.output().expect("unshare, of util-linux");
    let said = Said::of(output);
    assert!(said.success, "a small disk cannot be mounted: {said:?}");
    said
}

/// What was said under one heading.
fn under<'a>(said: &'a str, heading: &str) -> &'a str {
    let from = said.find(heading).unwrap_or_else(|| panic!("no {heading} in {said}"));
    let rest = &said[from + heading.len()..];
    &rest[..rest.find("== ").unwrap_or(rest.len())]
}

/// Exit codes of the commands under one heading.
fn codes(said: &str) -> Vec<&str> {
    said.lines().filter_map(|line| line.strip_prefix("-> ")).collect()
}

#[test]
fn on_a_full_disk_the_phone_says_not_saved_and_what_it_saved_before_still_reaches_the_registry() {
    let town = Town::on_a_file();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let disk = town.path("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let code = enrolment_code(&server, &LI);
    let said = run_on_a_small_disk(&disk, &server.url(), &code, &household.to_string());

    assert_eq!(codes(under(&said.out, "== before")), ["0", "0", "0"], "{}", said.out);
    let full = under(&said.out, "== full");
    assert_eq!(codes(full), ["1", "1", "0", "0"], "{}", said.out);
    assert_eq!(full.matches("not saved").count(), 2, "{full}");
    assert!(full.contains("met before") && !full.contains("met full"), "{full}");
    assert!(!full.contains("remark"), "{full}");
    assert!(full.contains("waiting to be sent 1"), "{full}");
    // What was saved is handed in even now, with the room that was kept for it.
    assert!(under(&said.out, "== syncing").contains("sent 1 changes"), "{}", said.out);
    let freed = under(&said.out, "== freed");
    assert_eq!(codes(freed), ["0"; 4], "{}", said.out);
    assert!(freed.contains("met before") && freed.contains("met after") && !freed.contains("met full"), "{freed}");
    assert!(freed.contains("waiting to be sent 0") && freed.contains("refused 0"), "{freed}");
    assert_eq!(zhou.notes(household), ["after", "before"]);
}
