//! Names near a name: what to offer a client that asked for a model it cannot have.
//!
//! Bounded work whatever the client sends. Never offers a model that the free rule does not admit.

use crate::domain::model::Catalog;

/// How many names are offered.
const OFFERED: usize = 5;

/// How much of the asked name is compared; real ids are shorter.
const COMPARED: usize = 120;

/// The free models most like `asked`, the nearest first: same model under another variant, then the
/// same author, then by edit distance.
pub(crate) fn free_names(asked: &str, catalog: &Catalog) -> Vec<String> {
    let asked: String = asked.chars().take(COMPARED).flat_map(char::to_lowercase).collect();
    let mut ranked: Vec<(usize, &str)> =
        catalog.free().map(|model| (distance(&asked, &model.id.to_lowercase()), model.id.as_str())).collect();
    ranked.sort();
    ranked.into_iter().take(OFFERED).map(|(_, id)| id.to_owned()).collect()
}

/// How far `id` is from `asked`; less is nearer.
fn distance(asked: &str, id: &str) -> usize {
    let (asked_base, id_base) = (base(asked), base(id));
    if asked_base == id_base {
        return 0;
    }
    let (asked_author, asked_slug) = parts(asked_base);
    let (id_author, id_slug) = parts(id_base);
    let mut distance = 4 * edits(asked_slug, id_slug);
    if common_prefix(asked_slug, id_slug) >= 4 {
        distance /= 2;
    }
    if asked_author.is_some() && asked_author == id_author {
        distance /= 2;
    }
    1 + distance
}

/// An id without its variant.
fn base(id: &str) -> &str {
    id.split(':').next().unwrap_or(id)
}

/// Author and slug; a bare name has no author.
fn parts(base: &str) -> (Option<&str>, &str) {
    match base.split_once('/') {
        Some((author, slug)) => (Some(author), slug),
        None => (None, base),
    }
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count()
}

/// The edit distance of Levenshtein: insertions, deletions and replacements.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        let mut left = i + 1;
        for ((&y, &diagonal), &above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(diagonal + usize::from(x != y));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)] {
            assert_eq!(edits(a, b), expected);
            assert_eq!(edits(b, a), expected);
        }
    }

    #[test]
    fn a_variant_of_the_same_model_is_nearest() {
        assert!(distance("a/b", "a/b:free") < distance("a/b", "a/bc:free"));
        assert!(distance("gpt-oss", "openai/gpt-oss-20b:free") < distance("gpt-oss", "nvidia/nemotron:free"));
    }
}
