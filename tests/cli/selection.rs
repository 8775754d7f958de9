//! `--where` and `--session`: which sessions are kept, and what a mistake looks like.

use std::path::Path;

use insta::assert_snapshot;

use crate::support::folder::Folder;

fn captures() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    folder.display().to_string()
}

#[test]
fn an_unknown_name_is_shown_before_anything_is_read() {
    let folder = Folder::new("where-name");
    assert_snapshot!(folder.run(&["analyze", "--where", "login.usr == 'bob'", "missing.pcap"]), @r"
    exit 2
    -- stderr
    ftpscope: --where: there is no usr at column 7 of login.usr == 'bob'; did you mean user?
    ");
}

#[test]
fn values_that_are_never_had_are_mistakes_before_anything_is_read() {
    let folder = Folder::new("where-never");
    assert_snapshot!(folder.run(&["analyze", "--where", "transfers.exists(t, t.sha256 == 'abc')", "missing.pcap"]), @r#"
    exit 2
    -- stderr
    ftpscope: --where: t.sha256 is never "abc" at column 33 of transfers.exists(t, t.sha256 == 'abc'); it has 64 hexadecimal digits; write t.sha256.startsWith("abc")
    "#);
    assert_snapshot!(folder.run(&["analyze", "--where", "id == 0", "missing.pcap"]), @r"
    exit 2
    -- stderr
    ftpscope: --where: id is never 0 at column 7 of id == 0; it is 1 or more
    ");
}

#[test]
fn only_selected_sessions_are_reported_counted_and_saved() {
    let folder = Folder::new("where-files");
    let classic = format!("{}/classic.pcap", captures());
    let upload = format!("{}/upload.pcap", captures());
    let condition = "transfers.exists(t, t.name == 'readme.txt')";
    let kept = folder.run(&[
        "analyze", "-q", "--format", "json", "-x", "files", "--where", condition, &classic, &upload,
    ]);
    assert!(kept.contains("\"sessions\": 1,"), "{kept}");
    assert!(kept.contains("\"sessions_filtered\":"), "{kept}");
    let manifest = folder.read("files/manifest.json");
    assert_eq!(manifest.matches("\"saved_as\"").count(), 1, "{manifest}");
    assert_eq!(folder.read("files/SHA256SUMS").lines().count(), 1);
    let files = walk(&folder.path().join("files"));
    assert_eq!(files, ["SHA256SUMS", "manifest.json", "readme.txt"]);
}

#[test]
fn digests_that_an_expression_names_are_computed_and_compared_in_either_case() {
    let folder = Folder::new("where-digest");
    let classic = format!("{}/classic.pcap", captures());
    let md5 = "B1B4321687B6BA8E13BF6CB6CA90C5DC";
    let condition = format!("transfers.exists(t, t.md5 == '{md5}')");
    let kept = folder.report(&["--where", &condition, &classic]);
    assert_eq!(kept["totals"]["sessions"], 1);
    let transfer = &kept["sessions"][0]["transfers"][1];
    assert_eq!(transfer["md5"], md5.to_ascii_lowercase());
    assert!(transfer["sha1"].is_null());
    let rules = format!(
        "[[rule]]\nname = 'md5'\nfor = 'transfer'\nmatch = 'name == \"readme.txt\"'\nassert = 'md5 == \"{md5}\"'\n\
         [[session]]\n[[session.transfer]]\nname = 'readme.txt'\nmd5 = '{md5}'\nsha1 = {{ glob = 'F849038A*' }}\n"
    );
    folder.write("rules.toml", rules.as_bytes());
    let checked = folder.run(&["check", "--expect", "rules.toml", &classic]);
    assert!(checked.contains("3 passed, 0 failed"), "{checked}");
    let alert = format!("transfer.md5 == '{md5}'");
    let lines = folder.run(&["live", "-q", "-r", &classic, "--alert", &alert]);
    assert_eq!(lines.matches("ALERT").count(), 1, "{lines}");
}

#[test]
fn events_of_other_sessions_are_dropped() {
    let folder = Folder::new("where-events");
    let all = format!("{}/failed-login.pcap", captures());
    let lines = folder.run(&["analyze", "--format", "ndjson", "--session", "1", &all]);
    assert!(lines.contains("\"session\":1"), "{lines}");
    assert!(!lines.contains("\"session\":2"), "{lines}");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            names.extend(walk(&path));
        } else {
            names.push(
                path.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
    names.sort();
    names
}
