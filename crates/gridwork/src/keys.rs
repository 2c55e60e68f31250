//! `gridwork keys`: the keys to which citizen numbers are sealed, listed, made and rotated.

use clap::{Args, Subcommand};
use gridwork_api::Settings;
use gridwork_sealing::Keyring;
use std::error::Error;

/// What is said where there are no keys.
const NONE_YET: &str = "there are no keys in this data folder yet: the first start makes them";

/// Options of `gridwork keys`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Prints the ids of the keys: the one that seals, those that still open, and the one by which numbers are found.
    List,
    /// Adds a key that seals from the next start on; the old ones still open what was sealed to them.
    ///
    /// The keys of the data folder are written there. Those of GRIDWORK_SEALING_KEYS are printed with the new one, to be set
    /// on all nodes: keep them secret.
    Rotate,
    /// Prints new keys for GRIDWORK_SEALING_KEYS, for several nodes of one new registry: keep them secret.
    Make,
}

/// Runs one of them.
///
/// # Errors
/// Wrong settings, or keys that cannot be read or written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    match arguments.step {
        Step::List => list(&settings.existing_keys()?.ok_or(NONE_YET)?),
        Step::Rotate => match &settings.sealing_keys {
            Some(keys) => println!("{}", in_one_line(&keys.clone().rotated(random()?))),
            None => {
                settings.existing_keys()?.ok_or(NONE_YET)?;
                list(&settings.rotate_keys()?);
            }
        },
        Step::Make => println!("{}", make()?),
    }
    Ok(())
}

/// New keys in one line, for `GRIDWORK_SEALING_KEYS`.
///
/// # Errors
/// The system gives no random bytes.
pub(crate) fn make() -> Result<String, getrandom::Error> {
    Ok(in_one_line(&Keyring::new([random()?, random()?])))
}

fn list(keys: &Keyring) {
    let current = keys.current();
    for key in keys.public_keys() {
        let does = if Some(key) == current { "seals and opens" } else { "opens" };
        println!("{} {does}", key.id());
    }
    keys.lookup_id().iter().for_each(|id| println!("{id} finds"));
}

fn in_one_line(keys: &Keyring) -> String {
    keys.to_text().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
