//! Counts that keep the tree readable: sizes of structs and of folders, visibility, and the words of the documentation.
//!
//! The imports between layers are held by `layering`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::layering::rust_files;

#[test]
fn no_struct_of_the_session_layer_has_more_than_15_fields() {
    let mut large = Vec::new();
    for (path, text) in sources("src/session") {
        for (name, fields) in structs(&text) {
            if fields > 15 {
                large.push(format!("{}: {name} has {fields}", path.display()));
            }
        }
    }
    assert!(large.is_empty(), "{}", large.join("\n"));
}

#[test]
fn the_impl_blocks_of_a_session_type_are_in_at_most_3_files() {
    let sources = sources("src/session");
    let mut definitions: BTreeMap<String, usize> = BTreeMap::new();
    let mut files: BTreeMap<String, BTreeSet<&Path>> = BTreeMap::new();
    for (path, text) in &sources {
        for name in matches(
            r"(?m)^\s*(?:pub(?:\([^)]*\))? )?(?:struct|enum) (\w+)",
            text,
        ) {
            *definitions.entry(name).or_default() += 1;
        }
        for name in implemented(text) {
            files.entry(name).or_default().insert(path);
        }
    }
    let spread: Vec<String> = files
        .iter()
        .filter_map(|(name, files)| {
            // Types of one name in several modules cannot be distinguished by their text: each may use its 3 files.
            let types = definitions.get(name)?;
            (files.len() > 3 * types).then(|| format!("{name} is in {} files", files.len()))
        })
        .collect();
    assert!(spread.is_empty(), "{}", spread.join("\n"));
}

#[test]
fn restricted_visibility_is_used_less_than_150_times() {
    let counts = counts("src", r"pub\(in ");
    assert!(total(&counts) < 150, "{}", table(&counts));
}

/// A count of files would forbid growth; the mean forbids what it was meant to forbid, one idea cut into pieces.
#[test]
fn source_files_hold_at_least_290_lines_on_average() {
    let sources = sources("src");
    let files = sources.len();
    let lines: usize = sources.iter().map(|(_, text)| text.lines().count()).sum();
    assert!(lines >= 290 * files, "{lines} lines in {files} files");
}

#[test]
fn no_documentation_begins_with_a_question_word_or_a_pronoun() {
    let mut found = Vec::new();
    for (path, text) in sources("src") {
        let mut is_doc_before = false;
        for (line, number) in text.lines().map(str::trim_start).zip(1..) {
            let doc = line
                .strip_prefix("///")
                .or_else(|| line.strip_prefix("//!"));
            let first = doc.and_then(|doc| doc.split_whitespace().next());
            // The first line of a block only: within a sentence these words are at home.
            if !is_doc_before && matches!(first, Some("What" | "How" | "Who" | "Those")) {
                found.push(format!("{}:{number}", path.display()));
            }
            is_doc_before = doc.is_some();
        }
    }
    assert!(found.is_empty(), "{}\n{}", found.len(), found.join("\n"));
}

#[test]
fn tell_and_told_occur_less_than_60_times() {
    // Parts of identifiers count as well: `tell_steps` is one.
    let counts = counts("src", r"(?i)(?:\b|_)(?:tell|tells|told|telling)(?:\b|_)");
    assert!(total(&counts) < 60, "{}", table(&counts));
}

#[test]
fn fields_and_impl_blocks_are_counted_as_they_are_written() {
    let text = "pub struct A<'a> {\n    /// A doc: with a colon.\n    one: u8,\n    pub(super) two: Vec<(u8, u8)>,\n    \
                #[serde(default)]\n    r#type: u8,\n}\n\nstruct B;\nstruct C(u8);\n\nimpl<'a> A<'a> {}\n\
                impl Iterator for B {}\nimpl<T: Into<u8>> From<T> for C {}\n";
    assert_eq!(structs(text), [("A".to_owned(), 3)]);
    assert_eq!(implemented(text), ["A", "B", "C"]);
}

/// Returns every Rust file below a folder of the project with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a file that can be read");
        let path = path.strip_prefix(root).expect("a file of the project");
        (path.to_owned(), text)
    };
    rust_files(&root.join(folder))
        .into_iter()
        .map(read)
        .collect()
}

/// Returns the structs with named fields in a source, and how many fields each has.
fn structs(text: &str) -> Vec<(String, usize)> {
    let field = Regex::new(r"^\s+(?:pub(?:\([^)]*\))? )?(?:r#)?\w+: ").expect("a pattern");
    let head = Regex::new(r"^(?:pub(?:\([^)]*\))? )?struct (\w+).*\{$").expect("a pattern");
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if let Some(head) = head.captures(line) {
            found.push((head[1].to_owned(), 0));
            is_inside = true;
        } else if line.starts_with('}') {
            is_inside = false;
        } else if is_inside && field.is_match(line) {
            found.last_mut().expect("a struct was begun").1 += 1;
        }
    }
    found
}

/// Returns the name of the type of each `impl` block in a source.
fn implemented(text: &str) -> Vec<String> {
    matches(r"(?m)^impl(?:<.*?>)? (?:.* for )?(?:\w+::)*(\w+)", text)
}

/// Returns the first group of each match.
fn matches(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let found = pattern.captures_iter(text);
    found.map(|found| found[1].to_owned()).collect()
}

/// Counts the matches in each file below a folder; files without one are left out.
fn counts(folder: &str, pattern: &str) -> Vec<(PathBuf, usize)> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let files = sources(folder).into_iter();
    files
        .map(|(path, text)| (path, pattern.find_iter(&text).count()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn total(counts: &[(PathBuf, usize)]) -> usize {
    counts.iter().map(|(_, count)| count).sum()
}

/// Renders counts as lines for a failure message, most matches first.
fn table(counts: &[(PathBuf, usize)]) -> String {
    let mut sorted = counts.to_vec();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let lines = sorted
        .iter()
        .map(|(path, count)| format!("{count:4} {}", path.display()));
    let lines: Vec<String> = lines.collect();
    format!(
        "{} in {} files\n{}",
        total(counts),
        counts.len(),
        lines.join("\n")
    )
}
