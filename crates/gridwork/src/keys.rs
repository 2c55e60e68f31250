//! `gridwork keys`: the keys to which the registry seals, listed, made and rotated: at once where there is one node, and
//! where there are several in two steps, so that no node seals to a key that another lacks.

use clap::{Args, Subcommand};
use gridwork_api::Settings;
use gridwork_sealing::Keyring;
use std::error::Error;

/// What is said where there are no keys.
const NONE_YET: &str = "there are no keys in this data folder yet: the first start makes them";

/// What is said of a key that is none of them.
const NOT_HERE: &str = "no key here has that id: gridwork keys list says the ids of all";

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
    /// Adds a key that seals from the next start on; the old ones still open what was sealed to them. For a registry with
    /// one node.
    ///
    /// The keys of the data folder are written there. Those of GRIDWORK_SEALING_KEYS are printed with the new one, to be
    /// set: keep them secret.
    Rotate,
    /// Adds a key that only opens, for a registry with several nodes: give the keys to all of them, start each again, and
    /// then `switch`.
    ///
    /// The keys are written or printed as by `rotate`.
    Prepare,
    /// Lets a key seal that was prepared, once all nodes have it: give the keys to all of them, and start each again.
    Switch {
        /// Its id, as `list` says it.
        key: String,
    },
    /// Prints new keys for GRIDWORK_SEALING_KEYS, for several nodes of one new registry: keep them secret.
    Make,
}

/// Runs one of them.
///
/// # Errors
/// Wrong settings, or keys that cannot be read or written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_environment()?;
    let known = || settings.existing_keys()?.ok_or_else(|| Box::<dyn Error>::from(NONE_YET));
    match &arguments.step {
        Step::List => print!("{}", list(&known()?)),
        Step::Rotate => hand_out(&settings, &known()?.rotated(random()?))?,
        Step::Prepare => hand_out(&settings, &known()?.prepared(random()?))?,
        Step::Switch { key } => {
            let keys = known()?;
            let switched = key.parse().ok().and_then(|key| keys.switched(key));
            hand_out(&settings, &switched.ok_or(NOT_HERE)?)?;
        }
        Step::Make => println!("{}", make()?),
    }
    Ok(())
}

/// Writes the keys of the data folder, or prints those of the environment, to be set on all nodes; and tells their ids.
fn hand_out(settings: &Settings, keys: &Keyring) -> Result<(), Box<dyn Error>> {
    if settings.sealing_keys.is_some() {
        println!("{}", in_one_line(keys));
        eprint!("{}", list(keys));
    } else {
        settings.replace_keys(keys)?;
        print!("{}", list(keys));
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

/// What each key does, a line for each.
fn list(keys: &Keyring) -> String {
    let current = keys.current();
    let does = |key| match key {
        key if Some(key) == current => "seals and opens",
        key if keys.keys_that_sealed().any(|one| one == key) => "opens",
        _ => "only opens, until it is switched to",
    };
    let pairs = keys.public_keys().map(|key| format!("{} {}\n", key.id(), does(key)));
    pairs.chain(keys.lookup_id().map(|id| format!("{id} finds\n"))).collect()
}

fn in_one_line(keys: &Keyring) -> String {
    keys.to_text().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
