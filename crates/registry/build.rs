//! Builds the crate again when a migration changes: they are embedded, and the compiler does not see the folder.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
    println!("cargo:rerun-if-changed=../../migrations/postgres");
}
