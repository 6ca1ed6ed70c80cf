//! What every kind of write leaves in the log.

mod altered;
mod bells;
mod images;
mod keys;
mod names;
mod nested;
mod partitions;
mod sessions;
mod styles;
mod together;
mod writes;
