//! The whole application over its routes, on a registry of its own in a folder of its own.

mod device;
mod event;
mod export;
mod household;
mod idempotency;
mod office;
mod refusal;
mod search;
