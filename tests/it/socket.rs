//! The edge over real connections, with a feed that the test plays.

mod around;
mod client;
mod ends;
mod events;
mod frames;
mod handshake;
mod outlet;
mod polls;
mod server;
mod topics;
