//! The guard against honest histories, against everything that sync is known to be attacked with, and against chance.

mod decoders;
mod findings;
mod foreign_bytes;
mod forged_facts;
mod forged_operations;
mod forged_order;
mod honest;
mod mutations;
mod schemas;
mod world;
