//! Holds the imports in `src/` to the picture on the crate's front page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and the layers it may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("capture", &["model"]),
    ("decode", &["capture", "model"]),
    ("reassembly", &["decode", "model"]),
    ("protocol", &["model"]),
    ("diagnosis", &["protocol", "model"]),
    (
        "session",
        &["diagnosis", "reassembly", "decode", "protocol", "model"],
    ),
    ("report", &["protocol", "model", "diagnosis"]),
    ("check", &["report", "model"]),
    ("diagram", &["report", "protocol", "model"]),
    ("page", &["diagram", "report", "model"]),
    ("browse", &["check", "diagram", "report", "model"]),
    (
        "reconcile",
        &["check", "report", "capture", "protocol", "model"],
    ),
    ("extract", &["model"]),
    (
        "keep",
        &["reassembly", "decode", "protocol", "capture", "model"],
    ),
    (
        "pipeline",
        &[
            "model",
            "capture",
            "decode",
            "reassembly",
            "protocol",
            "session",
            "diagnosis",
            "extract",
            "keep",
        ],
    ),
    (
        "monitor",
        &[
            "model", "capture", "report", "check", "extract", "keep", "pipeline",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "capture",
            "decode",
            "reassembly",
            "protocol",
            "session",
            "diagnosis",
            "report",
            "check",
            "diagram",
            "page",
            "browse",
            "reconcile",
            "extract",
            "keep",
            "pipeline",
            "monitor",
        ],
    ),
];

#[test]
fn layers_name_only_the_layers_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in rust_files(&source) {
        let inside = file.strip_prefix(&source).expect("a file in src");
        let Some(layer) = layer_of(inside) else {
            continue;
        };
        checked += 1;
        let allowed = ALLOWED
            .iter()
            .find_map(|(name, allowed)| (*name == layer).then_some(*allowed))
            .unwrap_or_else(|| panic!("{layer} is no layer: give it its place in this test"));
        let text = fs::read_to_string(&file).expect("a file that can be read");
        for named in layers_named(&text) {
            if named != layer && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{} names {named}", inside.display()));
            }
        }
    }
    assert!(checked > 10, "only {checked} files were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn edges_are_found_however_they_are_written() {
    let text = "use crate::model::{Event, Limits};\nuse crate::{capture, decode::Segment, self as me};\n\
        // crate::cli in a comment\nlet x = crate::report::units::count(1);\n#[cfg(test)]\nmod tests {\n  use crate::session;\n}\n";
    let named = layers_named(text);
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    assert_eq!(named, ["capture", "decode", "model", "report"]);
}

/// The folder below `src`; `None` for the crate's roots and for code that only tests see.
fn layer_of(inside: &Path) -> Option<String> {
    let parts: Vec<_> = inside
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let test_only = |part: &String| part == "tests.rs" || part == "tests" || part == "example";
    if parts.len() < 2 || parts.iter().any(test_only) {
        return None;
    }
    parts.into_iter().next()
}

/// First parts of all `crate::` paths before the unit tests.
fn layers_named(text: &str) -> BTreeSet<String> {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text);
    let code: String = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let mut named = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            named.extend(list_heads(list));
        } else {
            named.extend(head(rest));
        }
    }
    named
}

/// First parts of the paths in a list, up to its closing brace.
fn list_heads(list: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for character in list.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => heads.extend(head(&std::mem::take(&mut item))),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                item.push(character);
            }
        }
    }
    heads.extend(head(&item));
    heads
}

/// The name a path begins with.
fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty() && name != "self").then_some(name)
}

/// Returns every Rust file below a folder, sorted by path.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
