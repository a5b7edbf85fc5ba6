//! Statements in words of our own that the database keeps prepared: diesel reads a raw one anew each time,
//! which takes SQLite longer than running it.
//!
//! Only for those that are run often, and whose words are always the same.

use super::connection::AnyConnection;
use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Double, HasSqlType, Text};
use std::borrow::Cow;

/// Lines of values in one statement to Postgres: at most 11 in each, and it takes 65,535 (stack facts 0).
const AT_ONCE: usize = 500;

/// A value, for a column of its kind.
#[derive(Clone)]
pub(super) enum Value<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number.
    Whole(i64),
    /// A fraction.
    Fraction(f64),
}

/// A statement, with `?` where its values stand.
struct Statement<'a> {
    words: &'a str,
    values: &'a [Value<'a>],
    is_kept: bool,
}

/// Runs `words`, with `values` in the order of its `?`; says how many rows it changed.
pub(super) fn run(connection: &mut AnyConnection, words: &str, values: &[Value<'_>]) -> QueryResult<usize> {
    execute(connection, Statement { words, values, is_kept: true })
}

/// Inserts lines of values between `before` and `behind`. On SQLite each is a statement of its own, which is
/// prepared once; to Postgres each one would have its way, so many go in one.
pub(super) fn insert(
    connection: &mut AnyConnection,
    before: &str,
    lines: &[Vec<Value<'_>>],
    behind: &str,
) -> QueryResult<()> {
    let most = if matches!(connection, AnyConnection::Sqlite(_)) { 1 } else { AT_ONCE };
    let (mut words, mut lines_in_words) = (String::new(), 0);
    for lines in lines.chunks(most) {
        if lines.len() != lines_in_words {
            words = format!("{before} {} {behind}", places(lines));
            lines_in_words = lines.len();
        }
        // Hardly two of those with many lines have as many.
        execute(connection, Statement { words: &words, values: &lines.concat(), is_kept: lines.len() == 1 })?;
    }
    Ok(())
}

/// `(?, ?), (?, ?)`: where the values of lines stand.
fn places(lines: &[Vec<Value<'_>>]) -> String {
    let line = |line: &Vec<Value<'_>>| format!("({})", vec!["?"; line.len()].join(", "));
    lines.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn execute(connection: &mut AnyConnection, statement: Statement<'_>) -> QueryResult<usize> {
    match connection {
        AnyConnection::Sqlite(connection) => statement.execute(connection),
        AnyConnection::Postgres(connection) => statement.execute(connection),
    }
}

impl<DB> QueryFragment<DB> for Statement<'_>
where
    DB: Backend + HasSqlType<Text> + HasSqlType<BigInt> + HasSqlType<Double>,
    str: ToSql<Text, DB>,
    i64: ToSql<BigInt, DB>,
    f64: ToSql<Double, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if !self.is_kept {
            out.unsafe_to_cache_prepared();
        }
        let mut values = self.values.iter();
        for words in self.words.split('?') {
            out.push_sql(words);
            // Behind the last words there is none.
            match values.next() {
                Some(Value::Text(text)) => out.push_bind_param::<Text, str>(text)?,
                Some(Value::Whole(number)) => out.push_bind_param::<BigInt, i64>(number)?,
                Some(Value::Fraction(number)) => out.push_bind_param::<Double, f64>(number)?,
                None => {}
            }
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C> RunQueryDsl<C> for Statement<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use diesel::debug_query;
    use diesel::pg::Pg;
    use diesel::sqlite::Sqlite;

    #[test]
    fn every_value_has_its_place() {
        let lines = [
            vec![Value::Text("a".into()), Value::Whole(1)],
            vec![Value::Text("b".into()), Value::Fraction(0.5)],
        ];
        let words = format!("INSERT INTO t (x, y) VALUES {} ON CONFLICT DO NOTHING", places(&lines));
        let values = lines.concat();
        let statement = Statement { words: &words, values: &values, is_kept: false };
        let text = debug_query::<Pg, _>(&statement).to_string();
        let wanted = "INSERT INTO t (x, y) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING";
        assert!(text.starts_with(wanted) && text.ends_with(r#"["a", 1, "b", 0.5]"#), "{text}");
        let text = debug_query::<Sqlite, _>(&statement).to_string();
        assert!(
            text.starts_with("INSERT INTO t (x, y) VALUES (?, ?), (?, ?) ON CONFLICT DO NOTHING"),
            "{text}"
        );
    }
}
