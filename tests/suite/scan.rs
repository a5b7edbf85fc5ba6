//! Reads Rust sources as the house rules need them: words without comments, texts and test code.
//!
//! A scanner, not a compiler: it knows tokens, attributes and paths, nothing of types. Where it cannot
//! be sure it reports rather than stays silent. Never used by the program itself.

use std::fs;
use std::path::{Path, PathBuf};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword.
    Word,
    /// Punctuation; `::` is one token.
    Mark,
    /// The content of a string literal, quotes taken off.
    Text,
    /// A number or a character.
    Other,
}

/// One token with the line it stands on, counted from 1.
#[derive(Debug, Clone)]
pub struct Token {
    pub line: usize,
    pub kind: Kind,
    pub text: String,
}

impl Token {
    pub fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Mark) && self.text == text
    }
}

/// One path in the code: `use a::{b, c as d}` gives `a::b` and `a::c` with its alias.
#[derive(Debug)]
pub struct CodePath {
    pub line: usize,
    pub parts: Vec<String>,
    pub alias: Option<String>,
}

/// One source file without its test code.
pub struct Source {
    /// Relative to the crate's root, e.g. `src/usage/batch.rs`.
    pub path: String,
    /// The whole text, tests and comments included.
    pub text: String,
    /// Tokens outside test code.
    pub tokens: Vec<Token>,
    /// Modules that are declared for tests only in files of their own.
    test_modules: Vec<String>,
}

impl Source {
    /// Scans `text` as the file `path`.
    pub fn new(path: &str, text: &str) -> Source {
        let (tokens, test_modules) = without_tests(&tokens_of(text));
        Source { path: path.to_owned(), text: text.to_owned(), tokens, test_modules }
    }

    /// The room it belongs to: the first part of its path below `src/`.
    pub fn room(&self) -> &str {
        let below = self.path.trim_start_matches("src/");
        below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
    }

    /// The module path of the file: `src/usage/batch.rs` is `[usage, batch]`.
    pub fn module(&self) -> Vec<&str> {
        let below = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        below.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
    }

    /// Every path outside test code.
    pub fn paths(&self) -> Vec<CodePath> {
        paths_of(&self.tokens)
    }

    /// The lines of `.name(`.
    pub fn calls(&self, name: &str) -> Vec<usize> {
        let found = self.tokens.windows(3).filter(|w| w[0].is(".") && w[1].is(name) && w[2].is("("));
        found.map(|w| w[1].line).collect()
    }

    /// The lines of `name!`.
    pub fn macros(&self, name: &str) -> Vec<usize> {
        self.tokens.windows(2).filter(|w| w[0].is(name) && w[1].is("!")).map(|w| w[0].line).collect()
    }
}

/// The crate's root folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file below `src/`, without the files that hold only tests.
pub fn sources() -> Vec<Source> {
    let root = root();
    let sources: Vec<Source> = files_below(&root.join("src"))
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().into_owned();
            Source::new(&name, &fs::read_to_string(path).expect("a readable source file"))
        })
        .collect();
    let test_modules: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let parent = source.module().join("/");
            source.test_modules.iter().map(move |name| format!("{parent}/{name}"))
        })
        .map(|module| module.trim_start_matches('/').to_owned())
        .collect();
    let is_test = |source: &Source| {
        let module = source.module().join("/");
        test_modules.iter().any(|test| module == *test || module.starts_with(&format!("{test}/")))
    };
    sources.into_iter().filter(|source| !is_test(source)).collect()
}

/// Every file below `folder`, sorted; none if it does not exist.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Splits Rust into tokens; comments vanish.
pub fn tokens_of(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        let (kind, end, content) = match at(i) {
            c if c.is_whitespace() => (None, i + 1, String::new()),
            '/' if at(i + 1) == '/' => (None, find(&chars, i, '\n'), String::new()),
            '/' if at(i + 1) == '*' => (None, comment_end(&chars, i), String::new()),
            '"' => text_token(&chars, i, 0, true),
            '\'' => quote_token(&chars, i),
            c if c.is_alphabetic() || c == '_' => word_token(&chars, i),
            c if c.is_ascii_digit() => {
                let mut end = i;
                while at(end).is_alphanumeric()
                    || at(end) == '_'
                    || (at(end) == '.' && at(end + 1).is_ascii_digit())
                {
                    end += 1;
                }
                (Some(Kind::Other), end, String::new())
            }
            ':' if at(i + 1) == ':' => (Some(Kind::Mark), i + 2, "::".to_owned()),
            c => (Some(Kind::Mark), i + 1, c.to_string()),
        };
        if let Some(kind) = kind {
            tokens.push(Token { line, kind, text: content });
        }
        let end = end.min(chars.len());
        line += chars[start..end].iter().filter(|c| **c == '\n').count();
        i = end;
    }
    tokens
}

type Lexed = (Option<Kind>, usize, String);

/// A word, or the string that a prefix such as `br#` opens.
fn word_token(chars: &[char], start: usize) -> Lexed {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut end = start;
    while at(end).is_alphanumeric() || at(end) == '_' {
        end += 1;
    }
    let word: String = chars[start..end].iter().collect();
    let hashes = chars[end..].iter().take_while(|c| **c == '#').count();
    match word.as_str() {
        "r" | "br" | "cr" if at(end + hashes) == '"' => text_token(chars, end + hashes, hashes, false),
        "b" | "c" if at(end) == '"' => text_token(chars, end, 0, true),
        "b" if at(end) == '\'' => quote_token(chars, end),
        "r" if hashes == 1 => word_token(chars, end + 1),
        _ => (Some(Kind::Word), end, word),
    }
}

/// A string literal whose opening quote stands at `start`.
fn text_token(chars: &[char], start: usize, hashes: usize, escapes: bool) -> Lexed {
    let mut i = start + 1;
    while i < chars.len() {
        if escapes && chars[i] == '\\' {
            i += 2;
            continue;
        }
        let closing = chars[i + 1..].iter().take(hashes).filter(|c| **c == '#').count();
        if chars[i] == '"' && closing == hashes {
            return (Some(Kind::Text), i + 1 + hashes, chars[start + 1..i].iter().collect());
        }
        i += 1;
    }
    (Some(Kind::Text), chars.len(), String::new())
}

/// A character literal or a lifetime.
fn quote_token(chars: &[char], start: usize) -> Lexed {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    if at(start + 1) == '\\' {
        return (Some(Kind::Other), find(chars, start + 3, '\'') + 1, String::new());
    }
    if at(start + 2) == '\'' {
        return (Some(Kind::Other), start + 3, String::new());
    }
    let mut end = start + 1;
    while at(end).is_alphanumeric() || at(end) == '_' {
        end += 1;
    }
    (Some(Kind::Other), end, String::new())
}

fn comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0usize;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn find(chars: &[char], start: usize, wanted: char) -> usize {
    (start..chars.len()).find(|i| chars[*i] == wanted).unwrap_or(chars.len())
}

/// Takes test items out; also gives the names of test modules that have files of their own.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    let mut kept = Vec::new();
    let mut modules = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let Some((end, inner, for_tests)) = attribute(tokens, i) else {
            kept.push(tokens[i].clone());
            i += 1;
            continue;
        };
        if !for_tests {
            kept.extend_from_slice(&tokens[i..end]);
            i = end;
            continue;
        }
        if inner {
            return (Vec::new(), modules);
        }
        let mut start = end;
        while let Some((next, _, _)) = attribute(tokens, start) {
            start = next;
        }
        i = item_end(tokens, start);
        let item = &tokens[start..i];
        if let Some(at) = item.windows(3).position(|w| w[0].is("mod") && w[2].is(";")) {
            modules.push(item[at + 1].text.clone());
        }
    }
    (kept, modules)
}

/// The attribute that begins at `i`: where it ends, whether it is an inner one, whether it marks tests.
fn attribute(tokens: &[Token], i: usize) -> Option<(usize, bool, bool)> {
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|token| token.is(text));
    let inner = is(i + 1, "!");
    let open = i + 1 + usize::from(inner);
    if !is(i, "#") || !is(open, "[") {
        return None;
    }
    let end = closing(tokens, open) + 1;
    let words: Vec<&str> =
        tokens[open..end].iter().filter(|t| t.kind == Kind::Word).map(|t| t.text.as_str()).collect();
    let has = |word: &str| words.contains(&word);
    let conditional = words.first() == Some(&"cfg") && has("test") && !has("not") && !has("any");
    let marked = !has("cfg") && !has("cfg_attr") && words.last() == Some(&"test");
    Some((end, inner, conditional || marked))
}

/// Where the item that begins at `start` ends: after its `;` or its block.
fn item_end(tokens: &[Token], start: usize) -> usize {
    const ITEMS: &[&str] = &[
        "pub", "fn", "mod", "use", "impl", "struct", "enum", "const", "static", "type", "trait", "unsafe",
        "async", "extern",
    ];
    let is_item = tokens.get(start).is_some_and(|token| ITEMS.contains(&token.text.as_str()));
    let mut i = start;
    while i < tokens.len() {
        let token = &tokens[i];
        if token.is(";") || (token.is(",") && !is_item) {
            return i + 1;
        } else if token.is("{") {
            return closing(tokens, i) + 1;
        } else if token.is("(") || token.is("[") {
            i = closing(tokens, i);
        } else if token.is("}") || token.is(")") || token.is("]") {
            return i;
        }
        i += 1;
    }
    tokens.len()
}

/// Where the bracket that opens at `open` closes.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return i;
            }
        }
    }
    tokens.len().saturating_sub(1)
}

/// Every path in `tokens`, groups spread out. A field or method after a dot is none.
fn paths_of(tokens: &[Token]) -> Vec<CodePath> {
    let mut paths = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let after_dot = i > 0 && tokens[i - 1].is(".");
        if tokens[i].kind == Kind::Word && !after_dot {
            i = spread(tokens, i, &[], &mut paths);
        } else {
            i += 1;
        }
    }
    paths
}

/// Reads one path from `i` on, below `prefix`; gives the place after it.
fn spread(tokens: &[Token], mut i: usize, prefix: &[String], paths: &mut Vec<CodePath>) -> usize {
    let is = |i: usize, text: &str| tokens.get(i).is_some_and(|token| token.is(text));
    let mut parts = prefix.to_vec();
    let line = tokens.get(i).map_or(0, |token| token.line);
    loop {
        if is(i, "{") {
            let end = closing(tokens, i);
            i += 1;
            while i < end {
                i = if is(i, ",") { i + 1 } else { spread(tokens, i, &parts, paths).max(i + 1) };
            }
            return end + 1;
        }
        match tokens.get(i) {
            Some(token) if token.kind == Kind::Word || token.is("*") => {
                if token.text != "self" || parts.is_empty() {
                    parts.push(token.text.clone());
                }
                i += 1;
            }
            _ => break,
        }
        let goes_on = tokens.get(i + 1).is_some_and(|t| t.kind == Kind::Word || t.is("{") || t.is("*"));
        if !is(i, "::") || !goes_on {
            break;
        }
        i += 1;
    }
    let named = is(i, "as") && tokens.get(i + 1).is_some_and(|token| token.kind == Kind::Word);
    let alias = named.then(|| tokens[i + 1].text.clone());
    i += if named { 2 } else { 0 };
    paths.push(CodePath { line, parts, alias });
    i
}

#[test]
fn comments_texts_and_tests_are_not_code() {
    let source = Source::new(
        "src/usage/batch.rs",
        r##"
        //! diesel::nothing /* not open
        /* awc::one /* nested */ awc::two */
        use crate::{domain::{ids, time as t}, store};
        fn f<'a>(x: &'a str) -> char { let _ = r#"panic!("raw")"#; let _ = "a \" unwrap()"; '"' }
        #[cfg(test)]
        mod tests { use crate::simulator; fn g() { x.unwrap() } }
        #[cfg(test)] mod more;
        fn last() { b.expect("text") }
        #[actix_web::test] async fn t() { crate::bad::x() }
        "##,
    );
    let paths: Vec<String> = source.paths().iter().map(|path| path.parts.join("::")).collect();
    for wanted in ["crate::domain::ids", "crate::domain::time", "crate::store"] {
        assert!(paths.iter().any(|path| path == wanted), "{wanted} in {paths:?}");
    }
    assert!(!paths.iter().any(|path| path.contains("simulator") || path.contains("bad")), "{paths:?}");
    assert!(source.macros("panic").is_empty() && source.calls("unwrap").is_empty());
    assert_eq!(source.calls("expect"), [9]);
    assert_eq!(source.test_modules, ["more"]);
    assert_eq!((source.room(), source.module()), ("usage", vec!["usage", "batch"]));
}
