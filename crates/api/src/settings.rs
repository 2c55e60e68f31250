//! Settings of the server, from the environment.
//!
//! | name | meaning | default |
//! |---|---|---|
//! | `GRIDWORK_ADDRESS` | address and port on which the API is served; port 0 takes a free one | `127.0.0.1:8080` |
//! | `GRIDWORK_METRICS_ADDRESS` | address and port of `/metrics`, without sign-in, for the monitoring only; `off` for none | `127.0.0.1:9464` |
//! | `GRIDWORK_DATA_DIR` | folder of the database, the secret and the keys | `gridwork-data` |
//! | `DATABASE_URL` | the database, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`, with TLS `…?sslmode=verify-full&sslrootcert=FILE` | `sqlite:` and `registry.sqlite` in the folder |
//! | `REDIS_URL` | with several nodes on one database: the Redis by which they hint at each other's changes, `redis://HOST:PORT/`, or `rediss://` with TLS | none: each node looks at the database every second |
//! | `GRIDWORK_REDIS_CA_FILE` | file of the certificates (PEM) of the authorities, one of which must have signed that of a `rediss://` | those that the machine trusts |
//! | `GRIDWORK_TOKEN_SECRET` | secret under which access tokens are signed, at least 32 bytes | made once, kept in the folder as `token-secret`, readable by its owner alone |
//! | `GRIDWORK_SEALING_KEYS` | the keys that seal, open and find citizen numbers, and seal second factors and what waits or was refused, as `gridwork keys make` prints them: the same for all nodes of one registry | made once, kept in the folder as `sealing-keys`, readable by its owner alone |
//! | `GRIDWORK_ADMINISTRATOR_TOTP` | whether administrators need one-time codes: `required`, or `optional` for those who try it out | `required` |
//! | `GRIDWORK_BREAK_GLASS_S` | seconds for which somebody reads beyond the own areas in an emergency, 1 to 3,600 | 3,600 |
//! | `GRIDWORK_WORKERS` | threads that serve requests, 1 to 256 | one for each processor |
//! | `GRIDWORK_MAX_CONNECTIONS` | connections of one worker, 16 to 65,536 | 4,096 |
//! | `GRIDWORK_MAX_SYNC_MEMORY_BYTES` | bytes that sync bodies and answers under way hold together, 4 MiB to 64 GiB | 128 MiB |
//! | `GRIDWORK_MAX_CONCURRENT_EXCHANGES` | exchanges judged at once, 1 to 256 | 8 |
//! | `GRIDWORK_REQUESTS_PER_MINUTE` | requests of one session, machine client or phone in a minute, over all nodes with `REDIS_URL`; 0 for any number | 3,000 |
//! | `GRIDWORK_SIGN_INS_PER_MINUTE` | requests to sign in, refresh and enrol, and those whose token does not hold, from one address in a minute; 0 for any number | 600 |
//! | `GRIDWORK_PHONE_SEARCHES_PER_HOUR` | searches by digits of a phone within an hour by one who sees phones masked, or the keys of one machine client; 0 for any number | 240 |
//! | `GRIDWORK_TRUSTED_PROXIES` | addresses and networks of proxies whose `X-Forwarded-For` is believed, such as `10.0.0.5,192.168.0.0/16` | none |
//! | `GRIDWORK_DATABASE_READERS` | connections to the database for reading, 1 to 64 | 4 |
//! | `GRIDWORK_DATABASE_WRITERS` | connections for writing to PostgreSQL, 1 to 64; SQLite has one writer | 8 |
//! | `GRIDWORK_STATEMENT_TIMEOUT_MS` | how long one statement may take on PostgreSQL, 1,000 to 3,600,000 | 30,000 |
//! | `GRIDWORK_WRITER_QUEUE` | writes that wait for the database, 1 to 65,536 | 1,024 |
//! | `GRIDWORK_BUSY_TIMEOUT_MS` | how long a request waits for a lock or a free connection, 0 to 60,000 | 5,000 |
//! | `GRIDWORK_SHUTDOWN_TIMEOUT_S` | seconds in which requests under way may end, 0 to 600 | 30 |
//!
//! It does not open anything but the files of the secret, of the keys and of the authorities.
//!
//! **Invariant:** settings that were read are within their bounds; whatever is wrong is said at once, by name.

mod sealing_keys;
mod secret;
mod variable;

pub use secret::SecretError;
pub use variable::{WrongSetting, WrongSettings};

use crate::limits;
use crate::relay::{RedisUrl, WrongRedis};
use crate::source::Proxies;
use gridwork_sealing::Keyring;
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use variable::Variables;

/// What the server goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the API is served; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where the metrics are served, if anywhere: nobody signs in there.
    pub metrics_address: Option<SocketAddr>,
    /// Folder of the database and of the secret.
    pub data_dir: PathBuf,
    /// The registry's settings.
    pub registry: gridwork_registry::Settings,
    /// The Redis by which nodes hint at each other's changes, if there is one.
    pub redis: Option<RedisUrl>,
    /// Secret of access tokens; if none, the one in the folder, which is made if need be.
    pub token_secret: Option<TokenSecret>,
    /// Keys of citizen numbers; if none, those in the folder, which are made if need be.
    pub sealing_keys: Option<Keyring>,
    /// Whether administrators need a second factor.
    pub administrators_need_second_factor: bool,
    /// Seconds for which somebody reads beyond the own areas in an emergency.
    pub break_glass_s: u32,
    /// Threads that serve requests.
    pub workers: usize,
    /// Connections of one worker.
    pub max_connections: usize,
    /// Bytes that sync bodies and answers under way hold together.
    pub sync_memory_bytes: usize,
    /// Exchanges judged at once.
    pub concurrent_exchanges: usize,
    /// Requests of one session, machine client or phone in a minute; 0 for any number.
    pub requests_per_minute: u32,
    /// Requests to sign in, refresh and enrol, and those whose token does not hold, from one address in a minute; 0 for any
    /// number.
    pub sign_ins_per_minute: u32,
    /// Searches by digits of a phone within an hour by one who sees phones masked; 0 for any number.
    pub phone_searches_per_hour: u32,
    /// Proxies that are believed for whom they ask.
    pub trusted_proxies: Proxies,
    /// Seconds in which requests under way may end.
    pub shutdown_timeout_s: u64,
}

/// The secret under which access tokens are signed. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(Vec<u8>);

/// Bytes of a secret at least: those of the hash of HS256 (RFC 7518, 3.2).
pub const SHORTEST_SECRET_BYTES: usize = 32;

impl TokenSecret {
    /// A secret of at least [`SHORTEST_SECRET_BYTES`]; none if there are fewer.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= SHORTEST_SECRET_BYTES).then_some(Self(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

impl Settings {
    /// Everything as it is by default, in this folder.
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let database = data_dir.join("registry.sqlite");
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            metrics_address: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9464))),
            registry: gridwork_registry::Settings::new(format!("sqlite:{}", database.display())),
            data_dir,
            redis: None,
            token_secret: None,
            sealing_keys: None,
            administrators_need_second_factor: true,
            break_glass_s: limits::LONGEST_BREAK_GLASS_S,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: limits::MOST_CONNECTIONS,
            sync_memory_bytes: limits::SYNC_MEMORY_BYTES,
            concurrent_exchanges: limits::CONCURRENT_EXCHANGES,
            requests_per_minute: limits::REQUESTS_PER_MINUTE,
            sign_ins_per_minute: limits::SIGN_INS_PER_MINUTE,
            phone_searches_per_hour: limits::PHONE_SEARCHES_PER_HOUR,
            trusted_proxies: Proxies::default(),
            shutdown_timeout_s: limits::SHUTDOWN_TIMEOUT_S,
        }
    }

    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// [`WrongSettings`] with every setting that cannot be.
    pub fn from_environment() -> Result<Self, WrongSettings> {
        let settings = Self::from_variables(|name| std::env::var(name).ok());
        let unreadable = std::env::vars_os().filter_map(|(name, value)| {
            let name = name
                .into_string()
                .ok()
                .filter(|name| name.starts_with("GRIDWORK") || ["DATABASE_URL", "REDIS_URL"].contains(&name.as_str()));
            name.filter(|_| value.to_str().is_none())
        });
        let unreadable: Vec<_> =
            unreadable.map(|name| WrongSetting { name: name.into(), reason: "it is not UTF-8".to_owned() }).collect();
        match settings {
            Ok(settings) if unreadable.is_empty() => Ok(settings),
            Ok(_) => Err(WrongSettings(unreadable)),
            Err(WrongSettings(wrong)) => Err(WrongSettings(wrong.into_iter().chain(unreadable).collect())),
        }
    }

    /// Reads the settings from variables that are looked up by name.
    ///
    /// # Errors
    /// [`WrongSettings`] with every setting that cannot be.
    pub fn from_variables(look_up: impl Fn(&str) -> Option<String>) -> Result<Self, WrongSettings> {
        let mut variables = Variables::new(look_up);
        let folder = variables.text("GRIDWORK_DATA_DIR").unwrap_or_else(|| "gridwork-data".to_owned());
        let mut settings = Self::in_folder(folder);
        variables.parsed("GRIDWORK_ADDRESS", "an address and port such as 127.0.0.1:8080", &mut settings.address);
        if variables.text("GRIDWORK_METRICS_ADDRESS").as_deref() == Some("off") {
            settings.metrics_address = None;
        } else if let Some(address) = &mut settings.metrics_address {
            variables.parsed("GRIDWORK_METRICS_ADDRESS", "an address and port such as 127.0.0.1:9464, or off", address);
        }
        if let Some(url) = variables.text("DATABASE_URL") {
            settings.registry.database_url = url;
            if let Err(error) = settings.registry.check_url() {
                variables.refuse("DATABASE_URL", error.to_string());
            }
        }
        let authorities = variables.file("GRIDWORK_REDIS_CA_FILE");
        if let Some(url) = variables.text("REDIS_URL") {
            match RedisUrl::parse(&url, authorities) {
                Ok(redis) => settings.redis = Some(redis),
                Err(error @ (WrongRedis::Url | WrongRedis::Unchecked)) => {
                    variables.refuse("REDIS_URL", error.to_string());
                }
                Err(error) => variables.refuse("GRIDWORK_REDIS_CA_FILE", error.to_string()),
            }
        }
        if let Some(secret) = variables.text("GRIDWORK_TOKEN_SECRET") {
            settings.token_secret = TokenSecret::new(secret.into_bytes());
            if settings.token_secret.is_none() {
                let reason = format!("it has at least {SHORTEST_SECRET_BYTES} bytes: take random ones");
                variables.refuse("GRIDWORK_TOKEN_SECRET", reason);
            }
        }
        match variables.text("GRIDWORK_SEALING_KEYS").map(|keys| keys.parse()) {
            None => {}
            Some(Ok(keys)) => settings.sealing_keys = Some(keys),
            Some(Err(error)) => variables.refuse("GRIDWORK_SEALING_KEYS", format!("{error}: see gridwork keys make")),
        }
        match variables.text("GRIDWORK_ADMINISTRATOR_TOTP").as_deref() {
            None | Some("required") => {}
            Some("optional") => settings.administrators_need_second_factor = false,
            Some(_) => variables.refuse("GRIDWORK_ADMINISTRATOR_TOTP", "it is required or optional".to_owned()),
        }
        variables.number("GRIDWORK_BREAK_GLASS_S", 1..=limits::LONGEST_BREAK_GLASS_S, &mut settings.break_glass_s);
        variables.number("GRIDWORK_WORKERS", 1..=256, &mut settings.workers);
        variables.number("GRIDWORK_MAX_CONNECTIONS", 16..=65_536, &mut settings.max_connections);
        variables.number("GRIDWORK_MAX_SYNC_MEMORY_BYTES", 4 << 20..=64 << 30, &mut settings.sync_memory_bytes);
        variables.number("GRIDWORK_MAX_CONCURRENT_EXCHANGES", 1..=256, &mut settings.concurrent_exchanges);
        variables.number("GRIDWORK_REQUESTS_PER_MINUTE", 0..=1_000_000, &mut settings.requests_per_minute);
        variables.number("GRIDWORK_SIGN_INS_PER_MINUTE", 0..=1_000_000, &mut settings.sign_ins_per_minute);
        variables.number("GRIDWORK_PHONE_SEARCHES_PER_HOUR", 0..=1_000_000, &mut settings.phone_searches_per_hour);
        let proxies = "a list of addresses and networks such as 10.0.0.5,192.168.0.0/16";
        variables.parsed("GRIDWORK_TRUSTED_PROXIES", proxies, &mut settings.trusted_proxies);
        variables.number("GRIDWORK_DATABASE_READERS", 1..=64, &mut settings.registry.readers);
        variables.number("GRIDWORK_DATABASE_WRITERS", 1..=64, &mut settings.registry.writers);
        let statement_timeout_ms = &mut settings.registry.statement_timeout_ms;
        variables.number("GRIDWORK_STATEMENT_TIMEOUT_MS", 1_000..=3_600_000, statement_timeout_ms);
        variables.number("GRIDWORK_WRITER_QUEUE", 1..=65_536, &mut settings.registry.writer_queue);
        variables.number("GRIDWORK_BUSY_TIMEOUT_MS", 0..=60_000, &mut settings.registry.busy_timeout_ms);
        variables.number("GRIDWORK_SHUTDOWN_TIMEOUT_S", 0..=600, &mut settings.shutdown_timeout_s);
        variables.finish(settings)
    }

    /// Makes the data folder, for its owner alone, if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_data_dir(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.data_dir)
    }

    /// The keys of citizen numbers: those that were set, or those in the folder, which are made if they are not there.
    ///
    /// # Errors
    /// [`SecretError`] if they cannot be read or made, or others can read them.
    pub fn keys(&self) -> Result<Keyring, SecretError> {
        match &self.sealing_keys {
            Some(keys) => Ok(keys.clone()),
            None => sealing_keys::keep(&self.data_dir),
        }
    }

    /// The keys, if there are any yet; none are made.
    ///
    /// # Errors
    /// [`SecretError`] if they cannot be read, or others can read them.
    pub fn existing_keys(&self) -> Result<Option<Keyring>, SecretError> {
        match &self.sealing_keys {
            Some(keys) => Ok(Some(keys.clone())),
            None => sealing_keys::find(&self.data_dir),
        }
    }

    /// Writes keys into the folder in place of those that are there, which must be among them: what is sealed to a key that
    /// is gone stays shut.
    ///
    /// # Errors
    /// [`SecretError`] if they cannot be written.
    pub fn replace_keys(&self, keys: &Keyring) -> Result<(), SecretError> {
        sealing_keys::replace_all(&self.data_dir, keys)
    }

    /// The registry's settings, with the keys.
    ///
    /// # Errors
    /// As [`Settings::keys`].
    pub fn registry_with_keys(&self) -> Result<gridwork_registry::Settings, SecretError> {
        Ok(gridwork_registry::Settings { sealing: Some(Arc::new(self.keys()?)), ..self.registry.clone() })
    }

    /// The registry's settings, with the keys if there are any yet.
    ///
    /// # Errors
    /// As [`Settings::existing_keys`].
    pub fn registry_with_existing_keys(&self) -> Result<gridwork_registry::Settings, SecretError> {
        Ok(gridwork_registry::Settings { sealing: self.existing_keys()?.map(Arc::new), ..self.registry.clone() })
    }

    /// The secret of access tokens: the one that was set, or the one in the folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`SecretError`] if it cannot be read or made, or others can read it.
    pub(crate) fn secret(&self) -> Result<TokenSecret, SecretError> {
        match &self.token_secret {
            Some(secret) => Ok(secret.clone()),
            None => secret::keep(&self.data_dir),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, WrongSettings> {
        Settings::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn with_no_settings_everything_lies_in_one_folder_and_nothing_is_open_to_the_network() {
        let settings = read(&[]).expect("defaults");
        assert_eq!(settings.registry.database_url, "sqlite:gridwork-data/registry.sqlite");
        assert!(settings.address.ip().is_loopback());
        assert!(settings.metrics_address.is_some_and(|address| address.ip().is_loopback()));
    }

    #[test]
    fn settings_are_taken_from_the_environment() {
        let settings = read(&[
            ("GRIDWORK_ADDRESS", "0.0.0.0:80"),
            ("GRIDWORK_METRICS_ADDRESS", "off"),
            ("DATABASE_URL", "sqlite:/srv/registry.sqlite"),
            ("GRIDWORK_WORKERS", "3"),
            ("GRIDWORK_WRITER_QUEUE", ""),
        ])
        .expect("settings");
        assert_eq!((settings.address.port(), settings.metrics_address, settings.workers), (80, None, 3));
        assert_eq!(settings.registry.database_url, "sqlite:/srv/registry.sqlite");
    }

    #[test]
    fn all_wrong_settings_are_named_at_once_with_what_would_be_right() {
        let wrong = read(&[
            ("GRIDWORK_ADDRESS", "localhost"),
            ("GRIDWORK_METRICS_ADDRESS", "9464"),
            ("DATABASE_URL", "mysql://db"),
            ("REDIS_URL", "localhost"),
            ("GRIDWORK_REDIS_CA_FILE", "/no/such/file"),
            ("GRIDWORK_TOKEN_SECRET", "secret"),
            ("GRIDWORK_SEALING_KEYS", "lookup:secret"),
            ("GRIDWORK_WORKERS", "0"),
            ("GRIDWORK_MAX_CONNECTIONS", "many"),
            ("GRIDWORK_MAX_SYNC_MEMORY_BYTES", "-1"),
        ])
        .expect_err("refused");
        let names: Vec<_> = wrong.0.iter().map(|one| one.name.as_ref()).collect();
        assert_eq!(
            names,
            [
                "GRIDWORK_ADDRESS",
                "GRIDWORK_METRICS_ADDRESS",
                "DATABASE_URL",
                "GRIDWORK_REDIS_CA_FILE",
                "REDIS_URL",
                "GRIDWORK_TOKEN_SECRET",
                "GRIDWORK_SEALING_KEYS",
                "GRIDWORK_WORKERS",
                "GRIDWORK_MAX_CONNECTIONS",
                "GRIDWORK_MAX_SYNC_MEMORY_BYTES"
            ]
        );
        let text = wrong.to_string();
        assert!(text.contains("GRIDWORK_WORKERS: \"0\" is not a number from 1 to 256"), "{text}");
        assert!(!text.contains("\"secret\"") && !text.contains("lookup:secret"), "{text}");
    }

    #[test]
    fn every_setting_is_in_the_table() {
        let table = include_str!("settings.rs").lines().take_while(|line| line.starts_with("//!")).collect::<String>();
        let code = include_str!("settings.rs").split("mod tests").next().expect("code");
        let names = code.split('"').filter(|text| text.starts_with("GRIDWORK_"));
        for name in names {
            assert!(table.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        let settings = read(&[("GRIDWORK_TOKEN_SECRET", "correct horse battery staple, twice")]).expect("settings");
        assert!(!format!("{settings:?}").contains("horse"));
    }
}
