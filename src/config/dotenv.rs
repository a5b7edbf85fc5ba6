//! The `.env` file: `NAME=value` lines as a shell would read them.
//!
//! A line that cannot be read hides none of the others, and is never repeated: it may hold a secret.

use super::fault::Fault;
use super::sources::DOTENV_FILE;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::rc::Rc;

/// The variables of the text of a `.env` file, and what is wrong with it.
pub fn parse(text: &str) -> (BTreeMap<String, String>, Vec<Fault>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut variables = BTreeMap::new();
    let mut faults = Vec::new();
    let mut at = 0;
    while let Some(broken) = until_broken(lines.get(at..).unwrap_or(&[]), &mut variables, &mut faults) {
        // An open quote takes all that follows along, so reading begins anew behind its line.
        at += broken + 1;
        faults.push(Fault::new("", DOTENV_FILE, format!("line {at} is not NAME=value")));
    }
    (variables, faults)
}

/// Takes in variables until a line that cannot be read; returns its index.
fn until_broken(
    lines: &[&str],
    variables: &mut BTreeMap<String, String>,
    faults: &mut Vec<Fault>,
) -> Option<usize> {
    let taken = Rc::new(Cell::new(0));
    let reader = LineByLine { lines: lines.iter(), rest: &[], taken: Rc::clone(&taken) };
    let mut items = dotenvy::Iter::new(reader);
    loop {
        let before = taken.get();
        match items.next()? {
            Ok((name, value)) => match variables.insert(name.clone(), value.clone()) {
                Some(earlier) if earlier != value => {
                    let message = format!("{name} is given twice with different values; keep one");
                    faults.push(Fault::new("", DOTENV_FILE, message));
                }
                _ => {}
            },
            Err(_) => {
                let skipped = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
                return Some(before + lines.iter().skip(before).take_while(skipped).count());
            }
        }
    }
}

/// Hands out one line at a time, so that it is known how far its reader has come.
struct LineByLine<'t> {
    lines: std::slice::Iter<'t, &'t str>,
    rest: &'t [u8],
    taken: Rc<Cell<usize>>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty()
            && let Some(line) = self.lines.next()
        {
            self.rest = line.as_bytes();
            self.taken.set(self.taken.get() + 1);
        }
        self.rest.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let (variables, faults) = parse(text);
        let shown = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (shown, faults.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn broken_lines_are_counted_and_not_repeated() {
        let (variables, faults) = read(
            "A=hunter2 # hunter2 hunter2\n\n# it's fine\nhunter2 hunter2\nB=\"hunter2\nC=3\n\nD=a b c\nE='x",
        );
        assert_eq!(faults, [4, 5, 8, 9].map(|line| format!(".env: line {line} is not NAME=value")));
        // What stands behind an open quote is looked at too.
        assert_eq!(variables, ["A=hunter2", "C=3"]);
    }

    #[test]
    fn values_may_span_lines_and_name_others() {
        let (variables, faults) = read("\u{feff}export A=1\r\nB=\"two\nlines\"\nC=${A}x\nC=1x\nbroken\n");
        assert_eq!(variables, ["A=1", "B=two\nlines", "C=1x"]);
        assert_eq!(faults, [".env: line 6 is not NAME=value"]);
        let long = format!("A={}\nbroken\nB=1", "x".repeat(20_000));
        assert_eq!(read(&long).1, [".env: line 2 is not NAME=value"]);
        assert_eq!(read("A=1\nA=2").1, [".env: A is given twice with different values; keep one"]);
    }
}
