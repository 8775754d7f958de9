//! Lines that were not captured (19, 21, 65, 83): what becomes uncertain, and what the lines around them still prove.

use serde_json::{Value, json};

use crate::pitfalls::scene::{Scene, findings, session, transfers};

/// A session with a directory, a type and a download; `change` rewrites its lines.
fn played(change: impl Fn(&str) -> String) -> Value {
    let script = [
        "> PWD",
        "< 257 \"/home\" is the current directory",
        "> TYPE I",
        "< 200 Switching to Binary mode.",
        "> CWD docs",
        "< 250 Directory successfully changed.",
        "> TYPE A",
        "< 200 Switching to ASCII mode.",
        "> SIZE f.txt",
        "< 213 280",
        "> PASV",
        "< 227 ok (198,51,100,21,195,81)",
        "> RETR f.txt",
        "< 150 here it comes",
        "= 50001 300",
        "< 226 done",
        "> NOOP",
        "< 200 ok",
        "> QUIT",
        "< 221 bye",
    ];
    let mut scene = Scene::logged_in();
    for line in script {
        scene.play(&change(line));
    }
    scene.report()
}

/// The same with the lines that begin so not captured.
fn without(lost: &[&str]) -> Value {
    played(|line| {
        if lost.iter().any(|begin| line.starts_with(begin)) {
            let (side, said) = line.split_at(1);
            format!("{side}!{said}")
        } else {
            line.to_owned()
        }
    })
}

fn path(report: &Value) -> &Value {
    &transfers(report)[0]["path"]
}

#[test]
fn pitfall_19_after_a_lost_cwd_no_path_is_reported_that_may_be_wrong() {
    assert_eq!(path(&without(&[])), "/home/docs/f.txt");
    for lost in [
        &["> CWD"][..],
        &["< 250"],
        &["> CWD", "< 250"],
        &["> CWD", "< 250", "> TYPE A"],
    ] {
        let report = without(lost);
        assert_eq!(path(&report), &json!(null), "{lost:?}");
        assert_eq!(transfers(&report)[0]["argument"], "f.txt");
    }
}

#[test]
fn pitfall_19_a_lost_command_that_changes_no_directory_costs_no_path() {
    for lost in [
        "> SIZE",
        "< 213",
        "> TYPE A",
        "> NOOP",
        "< 200 Switching to ASCII",
    ] {
        assert_eq!(path(&without(&[lost])), "/home/docs/f.txt", "{lost}");
    }
}

#[test]
fn pitfall_21_the_reply_to_a_lost_pwd_or_cwd_may_state_the_directory() {
    assert_eq!(path(&without(&["> PWD"])), "/home/docs/f.txt");
    let report = played(|line| match line {
        "> CWD docs" => ">! CWD docs".into(),
        "< 250 Directory successfully changed." => {
            "< 250 OK. Current directory is /elsewhere".into()
        }
        line => line.into(),
    });
    assert_eq!(path(&report), "/elsewhere/f.txt");
}

#[test]
fn pitfall_65_after_a_lost_type_no_size_mismatch_is_reported() {
    for lost in [&["> TYPE A"][..], &["< 200 Switching to ASCII"]] {
        let report = without(lost);
        assert_eq!(transfers(&report)[0]["data_type"], "ascii", "{lost:?}");
        assert!(
            !findings(&report).contains(&"size-mismatch"),
            "{lost:?}: {:?}",
            findings(&report)
        );
    }
}

#[test]
fn pitfall_65_an_unknown_type_is_learned_from_the_150_of_a_file() {
    let binary = played(|line| {
        let line = if line == "< 150 here it comes" {
            "< 150 Opening BINARY mode data connection for f.txt."
        } else {
            line
        };
        if line.contains("TYPE") || line.contains("Switching") {
            line.replacen(' ', "! ", 1)
        } else {
            line.to_owned()
        }
    });
    assert_eq!(transfers(&binary)[0]["data_type"], "image");
    // What was said of the type is worth more than what is said of the connection.
    let ascii = played(|line| {
        line.replace(
            "150 here it comes",
            "150 Opening BINARY mode data connection for f.txt.",
        )
    });
    assert_eq!(transfers(&ascii)[0]["data_type"], "ascii");
}

#[test]
fn pitfall_83_a_reply_of_several_lines_without_its_beginning_is_no_violation() {
    let mut scene = Scene::logged_in();
    scene.play(
        "> FEAT\n<! 211-Features:\n<  EPSV\n<  SIZE\n< 211 End\n> NOOP\n< 200 ok\n> QUIT\n< 221 bye",
    );
    assert_eq!(findings(&scene.report()), ["capture-loss"]);
}

#[test]
fn pitfall_83_a_login_whose_answer_was_lost_succeeded_if_something_else_did() {
    for (lost, next, outcome) in [
        ("<! 230 welcome", "> PWD\n< 257 \"/\"", "accepted"),
        ("<! 230 welcome", "> SYST\n< 215 UNIX", "incomplete"),
        ("<! 530 no", "> PWD\n< 530 log in first", "incomplete"),
    ] {
        let mut scene = Scene::greeted();
        scene.play("> USER mira\n< 331 password please\n> PASS hazel-lantern");
        scene.play(lost).play(next).play("> QUIT\n< 221 bye");
        let report = scene.report();
        assert_eq!(session(&report)["login"]["outcome"], outcome, "{next}");
        assert_eq!(session(&report)["login"]["user"], "mira");
    }
}

#[test]
fn pitfall_83_a_farewell_after_a_fin_that_was_not_captured_is_no_violation() {
    let mut scene = Scene::logged_in();
    scene.play("> NOOP\n< 200 ok\n< 226 Logout.");
    assert!(findings(&scene.report()).is_empty());
}
