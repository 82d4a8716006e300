//! Tests of the settings, and models of the budget.

#[cfg(loom)]
mod loom_budget;
#[cfg(not(loom))]
mod model;
#[cfg(not(loom))]
mod settings;
