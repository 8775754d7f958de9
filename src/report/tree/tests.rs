use std::sync::Arc;

use super::*;
use crate::model::record::{Outcome, Session, Step, StepKind};
use crate::report::example::{example_report, example_session};

fn tree_of(session: Session) -> Tree {
    Tree::of(&Report {
        sessions: vec![Arc::new(session)],
        ..example_report()
    })
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.servers
        .iter()
        .flat_map(|server| &server.entries)
        .map(|entry| entry.path.as_deref().unwrap_or(&entry.name))
        .collect()
}

#[test]
fn events_are_ordered_by_time_whatever_the_order_of_sessions() {
    let report = example_report();
    let mut turned = report.clone();
    turned.sessions.reverse();
    let (one, other) = (Tree::of(&report), Tree::of(&turned));
    assert!(!one.servers.is_empty());
    let entries = |tree: &Tree| {
        tree.servers
            .iter()
            .map(|s| s.entries.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(entries(&one), entries(&other));
}

#[test]
fn paths_of_refused_commands_are_absent() {
    let mut session = example_session();
    session
        .transfers
        .retain(|transfer| transfer.connection.is_none());
    session.steps.retain(|step| step.kind == StepKind::Store);
    assert_eq!(
        session.transfers.len(),
        1,
        "the example has a refused upload"
    );
    assert!(
        paths(&tree_of(session))
            .iter()
            .all(|path| *path == "/pub" || *path == "/")
    );
}

#[test]
fn paths_beyond_the_limits_are_counted_or_omitted() {
    let mut session = example_session();
    let listing = session
        .transfers
        .iter_mut()
        .find(|transfer| !transfer.entries.is_empty())
        .map(Arc::make_mut)
        .expect("the example has a listing");
    let mut long = listing.entries[0].clone();
    long.name = "x".repeat(10_000).into();
    let mut deep = listing.entries[0].clone();
    deep.name = "a/".repeat(100).into();
    listing.entries.extend([long, deep]);
    let tree = tree_of(session);
    assert!(paths(&tree).iter().all(|path| path.len() < 5_000));
}

#[test]
fn rename_of_a_directory_moves_its_entries_and_terminates() {
    let mut session = example_session();
    let rename = |number: u64, from: &str, to: &str| {
        let template = example_session()
            .steps
            .into_iter()
            .find(|step| !step.commands.is_empty())
            .expect("the example has commands");
        let command = |verb: &str, name: &str| {
            let mut command = template.commands[0].clone();
            command.verb = verb.to_owned();
            command.argument = Some(name.to_owned());
            let mut reply = session
                .greeting
                .clone()
                .expect("the example has a greeting");
            reply.code = 250;
            command.replies = vec![reply];
            command
        };
        Step {
            number,
            kind: StepKind::Rename,
            commands: vec![command("RNFR", from), command("RNTO", to)],
            transfer: None,
            directory: Some("/".to_owned()),
            ..Step::clone(&template)
        }
    };
    let steps = vec![
        rename(1, "/a/b/c", "/a/b/d"),
        // Into itself, which no server does and a forged capture may say.
        rename(2, "/a", "/a/b"),
        rename(3, "/a", "/z"),
    ];
    session.steps = steps.into_iter().map(Into::into).collect();
    session.transfers.clear();
    let tree = tree_of(session);
    let there: Vec<_> = tree.servers[0]
        .entries
        .iter()
        .filter(|entry| entry.exists)
        .filter_map(|entry| entry.path.as_deref())
        .collect();
    assert!(there.contains(&"/z"), "{there:?}");
    assert!(!there.contains(&"/a"), "{there:?}");
    assert!(there.contains(&"/z/b"), "{there:?}");
}

#[test]
fn names_after_a_relative_cwd_are_below_it_in_an_unknown_directory() {
    let mut session = example_session();
    let template = session
        .steps
        .iter()
        .find(|step| !step.commands.is_empty())
        .map(|step| Step::clone(step))
        .expect("the example has commands");
    let mut reply = session
        .greeting
        .clone()
        .expect("the example has a greeting");
    let mut step = |kind, verb: &str, name: &str, code, text: &str| {
        let mut command = template.commands[0].clone();
        command.verb = verb.to_owned();
        command.argument = Some(name.to_owned());
        reply.code = code;
        reply.lines = vec![text.to_owned()];
        command.replies = vec![reply.clone()];
        Step {
            kind,
            commands: vec![command],
            transfer: None,
            directory: None,
            outcome: Outcome::Ok,
            ..template.clone()
        }
    };
    let steps = vec![
        step(StepKind::Command, "SIZE", "top.txt", 213, "1"),
        step(StepKind::Cwd, "CWD", "pub", 250, "ok"),
        step(StepKind::Command, "SIZE", "readme.txt", 213, "7"),
        step(StepKind::Cwd, "CDUP", "", 250, "ok"),
        step(StepKind::Command, "SIZE", "last.txt", 213, "7"),
    ];
    session.steps = steps.into_iter().map(Into::into).collect();
    session.transfers.clear();
    let tree = tree_of(session);
    let entries: Vec<_> = tree.servers[0]
        .entries
        .iter()
        .map(|entry| (entry.path.as_deref(), entry.name.as_str(), entry.depth))
        .collect();
    assert_eq!(
        entries,
        [
            (None, "last.txt", 0),
            (None, "pub", 0),
            (None, "readme.txt", 1),
            (None, "top.txt", 0)
        ]
    );
}
