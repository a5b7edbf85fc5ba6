//! What people read about the settings, rendered from the table: the README's table,
//! `.env.example` and `config.example.json`. Tests keep the committed files equal to these.

use super::schema::preset;
use super::table::{Flag, Preset, Row, SECTIONS, rows};
use serde_json::json;
use std::fmt::Write;

/// The table of settings in Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "| config.json | environment | flag | default | what it does |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for row in rows() {
        let variables: Vec<String> = row.variables().iter().map(|name| format!("`{name}`")).collect();
        let flag = row.flag.map_or_else(String::new, flag_cell);
        let default = match row.preset {
            Preset::Value(value) => format!("`{value}`"),
            Preset::Unset(otherwise) => otherwise.to_owned(),
        };
        let cells = [format!("`{}`", row.key), variables.join(", "), flag, default, row.doc.to_owned()];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

fn flag_cell(flag: Flag) -> String {
    let short = flag.short.map(|short| format!("`-{short}`"));
    let long = [Some(flag.name), flag.also].into_iter().flatten().map(|name| format!("`--{name}`"));
    short.into_iter().chain(long).collect::<Vec<_>>().join(", ")
}

/// The text of `.env.example`: every variable, commented out, with its default.
pub fn env_example() -> String {
    let mut text = String::from(
        "# Copy to .env and take the \"# \" from the lines you need. The real environment wins over\n\
         # this file. A secret may also be kept in a file: NAME_FILE=/path instead of NAME=value.\n",
    );
    for (section, title) in SECTIONS {
        let _ = writeln!(text, "\n# --- {title}");
        for row in rows().filter(|row| row.section() == *section) {
            text.push_str(&env_entry(row));
        }
    }
    text
}

fn env_entry(row: &Row) -> String {
    let variables = row.variables();
    let (first, others) = variables.split_first().map_or(("", &[][..]), |(first, others)| (first, others));
    let also = if others.is_empty() { String::new() } else { format!(" Also {}.", others.join(", ")) };
    let (value, otherwise) = match row.preset {
        Preset::Value(value) if value.contains(' ') => (format!("\"{value}\""), String::new()),
        Preset::Value(value) => (value.to_owned(), String::new()),
        Preset::Unset(otherwise) => (String::new(), format!(" Unset: {otherwise}.")),
    };
    format!("\n# {}{otherwise}{also}\n# {first}={value}\n", row.doc)
}

/// The text of `config.example.json`: every key with its default; `null` where it has none.
pub fn config_example() -> String {
    // Written by hand, section by section, because serde_json's map would sort the members.
    let sections: Vec<String> = SECTIONS
        .iter()
        .map(|(section, _)| {
            let members: Vec<String> = rows()
                .filter(|row| row.section() == *section)
                .map(|row| format!("    {}: {}", json!(row.name()), preset(row)))
                .collect();
            format!("  {}: {{\n{}\n  }}", json!(section), members.join(",\n"))
        })
        .collect();
    format!("{{\n{}\n}}\n", sections.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::super::sources::Sources;
    use super::*;

    /// The committed file of this name; with `UPDATE_DOCS` set it is written first.
    fn committed(name: &str, rendered: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, rendered).expect("writable");
        }
        std::fs::read_to_string(&path).expect("a committed file")
    }

    #[test]
    fn committed_files_are_up_to_date() {
        for (name, rendered) in [(".env.example", env_example()), ("config.example.json", config_example())] {
            assert_eq!(committed(name, &rendered), rendered, "{name}: run with UPDATE_DOCS=1");
        }
    }

    #[test]
    fn the_example_file_changes_nothing() {
        let mut sources = Sources::default();
        sources.add_file("config.example.json", &config_example());
        let settings = super::super::load(&sources).expect("the example is valid");
        let defaults = super::super::load(&Sources::default()).expect("defaults are valid");
        let values = |settings: &super::super::Settings| {
            settings.origins().iter().map(|origin| (origin.key, origin.value.clone())).collect::<Vec<_>>()
        };
        assert_eq!(values(&settings), values(&defaults));
    }

    #[test]
    fn every_variable_and_flag_is_documented() {
        let (table, example) = (markdown(), env_example());
        for row in rows() {
            for variable in row.variables() {
                assert!(table.contains(&format!("`{variable}`")), "{variable}");
                assert!(example.contains(&variable), "{variable}");
            }
            if let Some(flag) = row.flag {
                assert!(table.contains(&format!("`--{}`", flag.name)), "{}", flag.name);
            }
        }
    }

    #[test]
    fn the_env_example_changes_nothing_and_its_defaults_are_valid() {
        let mut sources = Sources::default();
        sources.add_dotenv(&env_example());
        assert!(sources.dotenv.is_empty() && sources.faults.is_empty());
        let uncommented: String = env_example()
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| {
                line.split_once('=').is_some_and(|(name, value)| !name.contains(' ') && !value.is_empty())
            })
            .map(|line| format!("{line}\n"))
            .collect();
        sources.add_dotenv(&uncommented);
        assert!(sources.dotenv.len() > 10);
        super::super::load(&sources).expect("defaults are valid");
    }
}
