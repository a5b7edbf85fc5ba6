//! Tests of the room as a whole: tables, properties and the golden files.

mod body;
mod fitting;
mod free_rule;
mod golden;
mod pipeline;
mod properties;
mod samples;
