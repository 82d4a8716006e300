//! What the library promises, tried from outside.

mod cancellation;
mod clocks;
mod events;
mod fallback;
mod futures;
mod hammering;
mod listeners;
mod panics;
mod permits;
mod registry;
mod rejections;
mod statistics;
mod stream;
mod support;
mod texts;
mod timing;
mod wakers;
