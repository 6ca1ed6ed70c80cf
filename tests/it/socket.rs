//! The edge over real connections, with a feed that the test plays.

mod around;
mod client;
mod ends;
mod frames;
mod handshake;
mod server;
mod topics;
