//! Near names: what a person may have meant by a name that does not exist.

/// The nearest of `candidates` to `name`, if one is near enough to be a slip of the pen.
pub fn near<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A name without case, dashes and underscores, so that `baseUrl`, `base-url` and `BASE_URL` are one.
pub fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// The number of letters to add, drop, replace or swap with their neighbour
/// (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near() {
        let names = ["server.port", "server.host", "log.level"];
        assert_eq!(near("server.prot", names), Some("server.port"));
        assert_eq!(near("server.ports", names), Some("server.port"));
        assert_eq!(near("log.levle", names), Some("log.level"));
        assert_eq!(near("proxy.anything", names), None);
    }

    #[test]
    fn spellings_fold() {
        for spelling in ["base_url", "baseUrl", "base-url", "BASE_URL", "BaseURL"] {
            assert_eq!(fold(spelling), "baseurl");
        }
    }
}
