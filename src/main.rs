//! The `rowbell` program.

fn main() {}
