//! Tests of the room as a whole: tables, properties and the golden files.

mod body;
mod free_rule;
mod samples;
