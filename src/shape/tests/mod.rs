//! Tests of the room as a whole: tables and properties.
mod body;
mod free_rule;
mod samples;
