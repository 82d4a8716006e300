//! Uses breakerbox as somebody else would, with whatever features it is built with.

#[cfg(test)]
mod tests;
