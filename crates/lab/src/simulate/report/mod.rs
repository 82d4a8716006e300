//! Shows what runs came to: tables for people, JSON and CSV for programs, pictures for documents.

mod csv;
mod html;
mod intervals;
mod json;
mod spark;
mod svg;
mod table;

pub use csv::csv;
pub use html::html;
pub use intervals::intervals;
pub use json::json;
pub use spark::spark;
pub use svg::svg;
pub use table::{compared, table};
