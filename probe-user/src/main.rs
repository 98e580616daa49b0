//! The `forgewatch` command.
fn main() {}
