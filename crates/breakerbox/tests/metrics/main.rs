//! What an exporter publishes: every name, label and value.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing fails")]

mod exporter;
mod recorder;
mod values;
