//! The HTTP side of the registry: routes, callers and permissions, OpenAPI.
//!
//! Staff read and edit over REST; phones exchange changes with the registry in one request. It knows no SQL and no
//! merging: both are the registry's. [`Settings`] documents the environment; [`limits`] every bound and its reason.
//!
//! **Invariant:** without a token nothing answers but health, the page of the API, signing in and enrolling; what lies
//! outside a caller's areas answers as if it were not there; every error is a problem (RFC 9457).

mod language;
pub mod limits;
pub mod settings;

mod access_token;
mod application;
mod bearer;
mod body;
mod caller;
mod clock;
mod compression;
mod device_caller;
mod device_reader;
mod edit;
mod entity_tag;
mod envelope;
mod follower;
mod gate;
mod idempotency;
mod metrics;
mod openapi;
mod origin;
mod permission_page;
mod problem;
mod proof;
mod rate;
mod record;
mod relay;
mod request_id;
mod request_parts;
mod routes;
mod shown;
mod source;
mod state;
mod table_file;
mod view;

#[cfg(test)]
mod tests;

pub use application::{Application, BuildError, RunError};
pub use openapi::openapi_json;
pub use permission_page::permissions_md;
pub use relay::{RedisUrl, WrongRedis};
pub use settings::{Settings, TokenSecret, WrongSetting, WrongSettings};
