//! The program `breakerbox`.
fn main() {}
