//! `ftpscope carve`: the packets of sessions, as pcapng.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::failure::{Exit, Failure};
use super::messages;
use super::options::{ExitOptions, InputOptions, PresentationOptions, SelectionOptions};
use super::output::{Inputs, Output, WholeFiles};
use super::reading::{Reading, read_again};
use super::redact::{self, Redacted};
use crate::keep::{
    CarvedFiles, Carver, ChosenPackets, Class, EmbeddedSecrets, FragmentLog, PacketChooser,
    PacketKinds, RedactionPlan, SecretLines, StreamCollector,
};
use crate::model::TransferSink;
use crate::model::record::Capture;
use crate::model::trace::Tracing;
use crate::pipeline;
use crate::protocol::tls::decryption::Keyring;
use crate::report::units;

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct CarveArguments {
    #[command(flatten)]
    input: InputOptions,
    /// Write to OUT, which appears whole or not at all; {uid} or {id} in it: one file a session; -: standard output
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    write: PathBuf,
    /// Which packets, separated by commas: control, data, dns, icmp; default all
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_possible_values = true,
        help_heading = "Output"
    )]
    only: Vec<Kind>,
    /// No comments on the packets that begin a step
    #[arg(long, help_heading = "Output")]
    no_comments: bool,
    /// Write the TLS secrets of the carved connections into OUT: who has the file can read them
    #[arg(long, help_heading = "Output")]
    embed_secrets: bool,
    /// Write TLS connections as plain TCP with what they carry, for programs that cannot open them
    #[arg(long, help_heading = "Output", conflicts_with = "no_decrypt")]
    decrypted: bool,
    /// Replace what a stranger must not read: passwords, users, addresses, names, paths, content, banners; or all
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        hide_possible_values = true,
        help_heading = "Redaction"
    )]
    redact: Vec<Redacted>,
    /// 32 bytes in hex: the same values become the same replacements in every run; default a new key
    #[arg(
        long,
        value_name = "FILE",
        requires = "redact",
        help_heading = "Redaction"
    )]
    redact_key: Option<PathBuf>,
    /// Write what became what, as JSON lines, readable by you alone
    #[arg(
        long,
        value_name = "FILE",
        requires = "redact",
        help_heading = "Redaction"
    )]
    mapping: Option<PathBuf>,
    #[command(flatten)]
    presentation: PresentationOptions,
    #[command(flatten)]
    selection: SelectionOptions,
    #[command(flatten)]
    exit: ExitOptions,
}

#[cfg(feature = "browse")]
/// Writes the packets of one session to `path`.
pub(super) fn write_session(
    input: &InputOptions,
    presentation: &PresentationOptions,
    session: u64,
    path: &Path,
) -> Result<(), Failure> {
    let mut presentation = presentation.clone();
    (presentation.quiet, presentation.verbose) = (true, false);
    let arguments = CarveArguments {
        input: input.clone(),
        write: path.to_owned(),
        only: Vec::new(),
        no_comments: false,
        embed_secrets: false,
        decrypted: false,
        redact: Vec::new(),
        redact_key: None,
        mapping: None,
        presentation,
        selection: SelectionOptions::of_session(session),
        exit: ExitOptions::default(),
    };
    run(&arguments).map(drop)
}

impl CarveArguments {
    /// Returns the files that are read, for outputs that must not be one of them.
    fn files(&self) -> Inputs {
        self.input
            .files()
            .with("read as --redact-key", &self.redact_key)
    }
}

/// A kind of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Control,
    Data,
    Dns,
    Icmp,
}

/// Reads the captures twice and writes the packets of the chosen sessions.
pub(super) fn run(arguments: &CarveArguments) -> Result<Exit, Failure> {
    check_arguments(arguments)?;
    let mut reading = Reading::open(
        &arguments.input,
        &arguments.selection,
        &arguments.presentation,
    )?;
    // The ends of connections are enough; their segments are found again in the second reading.
    reading.options.tracing = Tracing::Connections;
    reading.options.limits.traced_segments = 0;
    // Nothing but an expression looks at digests here, and they cost as much as all the rest.
    reading.options.omit_sha256 = !arguments.selection.has_expression();
    let mut chooser = PacketChooser::new(kinds(&arguments.only), !arguments.no_comments);
    let mut fragments = FragmentLog::default();
    let classes = redact::classes(&arguments.redact);
    // A secret that the report shows is no secret to the redaction.
    reading.options.show_passwords &= classes.is_none();
    let key = redact::key(arguments.redact_key.as_deref())?;
    let mut collected = classes
        .is_some()
        .then(|| StreamCollector::new(arguments.input.memory.max_memory));
    let files: &mut dyn TransferSink = match &mut collected {
        Some(collected) => {
            chooser.prepare_redaction();
            collected
        }
        None => &mut (),
    };
    let outcome = reading.run_and_keep(
        &mut chooser,
        false,
        files,
        Arc::default(),
        Some(&mut fragments),
    );
    if outcome.interrupted {
        return Err(Failure::Interrupted);
    }
    let quiet = arguments.presentation.quiet;
    if fragments.omitted > 0 && !quiet {
        let omitted = units::count(fragments.omitted);
        messages::note(&format!(
            "{omitted} fragments of packets are left out: too many to remember"
        ));
    }
    if collected
        .as_ref()
        .is_some_and(StreamCollector::has_overflowed)
    {
        return Err(Failure::Refused(
            "the control connections have more text than fits into --max-memory; \
             redact fewer sessions at once with --since and --until, or allow more memory"
                .to_owned(),
        ));
    }
    let plan = classes
        .zip(collected)
        .map(|(classes, collected)| RedactionPlan {
            collected,
            classes,
            key,
            uid: &redact::uid,
        });
    let chosen = chooser.finish(fragments, plan);
    let exit = arguments.exit.exit(&outcome, false);
    if chosen.sessions().is_empty() {
        if !quiet {
            let totals = &outcome.summary.totals;
            messages::note(&match totals.sessions_filtered {
                0 => format!("there is no FTP session; {}", unwritten(&arguments.write)),
                others => format!(
                    "{}, none is chosen; {}",
                    units::counted(others, "session", "sessions"),
                    unwritten(&arguments.write)
                ),
            });
        }
        return Ok(exit);
    }
    let carved = write(arguments, &chosen, &outcome.summary.captures)?;
    if !quiet {
        note_results(arguments, &chosen, &carved);
    }
    Ok(exit)
}

/// Returns the end of the note on a run without packets to write; a file of an earlier run stays.
fn unwritten(path: &Path) -> String {
    if path.exists() {
        format!("nothing is written, {} stays as it was", path.display())
    } else {
        "nothing is written".to_owned()
    }
}

/// Notes what a reader of the written file should know.
fn note_results(arguments: &CarveArguments, chosen: &ChosenPackets, carved: &Carved) {
    if let Some(redaction) = chosen.redaction() {
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for (class, _) in redaction.mapping().keys() {
            *counts.entry(*class).or_default() += 1;
        }
        let classes = redaction.classes().0.iter();
        let mut replaced: Vec<_> = classes
            .filter_map(|class| match counts.get(class) {
                Some(count) => Some(format!("{} ({})", class.name(), units::count(*count))),
                // Not one by one.
                None if matches!(class, Class::Content | Class::Banners) => {
                    Some(class.name().to_owned())
                }
                None => None,
            })
            .collect();
        if replaced.is_empty() {
            replaced.push("nothing".to_owned());
        }
        messages::note(&format!(
            "replaced: {}; the output was read again, and nothing of it was found; ports, times and lengths stay",
            replaced.join(", ")
        ));
    }
    if chosen.redaction().is_none() {
        let output = match arguments.write.as_os_str() {
            name if name == "-" => "standard output".into(),
            name => name.to_string_lossy(),
        };
        messages::note(&format!(
            "-w copies packets as they are: {output} may hold secrets; --redact replaces them"
        ));
    }
    let encrypted = chosen.encrypted(None);
    if !encrypted.is_empty() {
        let count = units::counted(
            units::to_u64(encrypted.len()),
            "TLS connection stays",
            "TLS connections stay",
        );
        let shown = encrypted.iter().take(NAMED_CONNECTIONS);
        let mut named: Vec<_> = shown.map(ToString::to_string).collect();
        if encrypted.len() > NAMED_CONNECTIONS {
            let more = units::to_u64(encrypted.len() - NAMED_CONNECTIONS);
            named.push(format!("{} more", units::count(more)));
        }
        messages::note(&format!(
            "{count} encrypted and nothing in them is replaced but the names in their hellos: {}",
            named.join(", ")
        ));
    }
    if carved.closed_connections > 0 {
        let closed = units::counted(carved.closed_connections, "connection", "connections");
        messages::note(&format!(
            "{closed} with TLS could not be opened, and are left out"
        ));
    }
    if carved.has_left_secrets && !arguments.embed_secrets && !arguments.decrypted {
        messages::note(
            "secrets for decryption in the captures are not carried over; --embed-secrets does it",
        );
    }
    if arguments.embed_secrets && carved.secrets == 0 {
        messages::note("there are no secrets of the carved connections to embed");
    }
    if arguments.presentation.verbose {
        let packets = units::counted(carved.packets, "packet", "packets");
        let sessions = chosen.sessions().len() as u64;
        let sessions = units::counted(sessions, "session", "sessions");
        messages::note(&format!("{packets} of {sessions} written"));
    }
}

/// Facts about the written packets.
struct Carved {
    packets: u64,
    has_left_secrets: bool,
    /// Lines of key logs written, each once.
    secrets: usize,
    /// TLS connections that stay closed, and are left out of a file in clear.
    closed_connections: u64,
}

/// Writes the chosen packets in a second reading of `captures`.
fn write(
    arguments: &CarveArguments,
    chosen: &ChosenPackets,
    captures: &[Capture],
) -> Result<Carved, Failure> {
    let names = captures.iter().map(|capture| capture.path.clone());
    let is_split = is_pattern(&arguments.write);
    let mut carver = Carver::new(chosen, names.collect(), is_split);
    let mut secrets = 0;
    if arguments.embed_secrets {
        let embedded = embedded_secrets(arguments, chosen)?;
        secrets = embedded.len();
        carver.embed(embedded);
    }
    if arguments.decrypted {
        let mut keyring = Keyring::new(&arguments.input.secrets.read(false)?);
        pipeline::read_secrets(&arguments.input.captures, &mut keyring);
        carver.decrypt(keyring);
    }
    let mut target = Target::open(arguments, chosen)?;
    let again = read_again(&arguments.input, &arguments.presentation.tz, &mut |input| {
        if carver.input(input, &mut target) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    let summary = Carved {
        closed_connections: carver.closed_connections() as u64,
        packets: carver.packets(),
        has_left_secrets: carver.has_left_secrets(),
        secrets,
    };
    let written = carver.finish(&mut target);
    if written.is_ok() && captures != again {
        return Err(Failure::Missing(
            "the captures changed between the two readings; nothing is written".to_owned(),
        ));
    }
    if let (Ok(()), Some(redaction)) = (&written, chosen.redaction()) {
        let hidden = target.hidden_paths()?;
        redact::verify(&hidden, redaction, arguments.input.memory.max_memory)?;
        // The mapping appears first: without it nobody can say what the replacements in the output stand for.
        if let Some(path) = &arguments.mapping {
            redact::write_mapping(path, &redaction.mapping())?.finish()?;
        }
    }
    target.close(written)?;
    Ok(summary)
}

/// Finds the secrets of the chosen connections in a reading of their own.
fn embedded_secrets(
    arguments: &CarveArguments,
    chosen: &ChosenPackets,
) -> Result<EmbeddedSecrets, Failure> {
    let given = arguments.input.secrets.read(false)?.key_logs;
    let mut lines = SecretLines::new(chosen);
    read_again(&arguments.input, &arguments.presentation.tz, &mut |input| {
        lines.input(input);
        ControlFlow::Continue(())
    })?;
    let given: Vec<&[u8]> = given.iter().map(|log| log.as_slice()).collect();
    Ok(lines.finish(&given))
}

/// Refuses what cannot be read twice, and packets on a terminal.
fn check_arguments(arguments: &CarveArguments) -> Result<(), Failure> {
    let refused = |cause: &str| Err(Failure::Refused(cause.to_owned()));
    let inputs = &arguments.input.captures;
    if inputs.iter().any(|path| path.as_os_str() == "-") || arguments.input.follow {
        return refused("carve reads captures twice; save standard input to a file first");
    }
    let is_once = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
    };
    if let Some(path) = inputs.iter().find(|path| is_once(path)) {
        return refused(&format!(
            "carve reads captures twice, and {} can be read only once; save it to a file first",
            path.display()
        ));
    }
    let has_others = arguments
        .redact
        .iter()
        .any(|one| *one != Redacted::Addresses);
    if arguments.embed_secrets && has_others {
        return refused(
            "with --embed-secrets everything in TLS can be read; redact addresses alone, or leave the secrets out",
        );
    }
    if arguments.decrypted && !arguments.redact.is_empty() {
        return refused(
            "--redact cannot read what --decrypted writes; carve with --decrypted first, and redact that file",
        );
    }
    if let Some(mapping) = &arguments.mapping {
        if *mapping == arguments.write {
            return refused("--mapping needs a file of its own; name another one");
        }
        arguments.files().refuse(mapping)?;
        // Without a key of the user nothing else says what the replacements in an earlier output stand for.
        let is_file = std::fs::metadata(mapping).is_ok_and(|found| found.is_file());
        if is_file && arguments.redact_key.is_none() {
            return refused(&format!(
                "cannot write {}: it is there already, and may be the only mapping of an earlier output; choose another name",
                mapping.display()
            ));
        }
    }
    if let Some(name) = unknown_placeholder(&arguments.write) {
        return refused(&format!(
            "--write {}: there is no placeholder {name}; there are {}",
            arguments.write.display(),
            PLACEHOLDERS.join(" and ")
        ));
    }
    if is_stdout(&arguments.write) && io::stdout().is_terminal() {
        return refused("pcapng on a terminal; write to a file, or pipe it into a program");
    }
    Ok(())
}

/// The outputs of one run.
enum Target {
    One(Output),
    Several(WholeFiles),
}

impl Target {
    fn open(arguments: &CarveArguments, chosen: &ChosenPackets) -> Result<Self, Failure> {
        let inputs = &arguments.files();
        let path = &arguments.write;
        if is_pattern(path) {
            let pattern = path.to_string_lossy();
            let mut paths = BTreeMap::new();
            for (index, session) in chosen.sessions().iter().enumerate() {
                let name = pattern
                    .replace("{uid}", &session.uid)
                    .replace("{id}", &session.id.to_string());
                paths.insert(index, PathBuf::from(name));
            }
            return Ok(Self::Several(WholeFiles::new(paths, inputs)?));
        }
        let path = (!is_stdout(path)).then_some(path.as_path());
        // What is redacted is read again before anybody else can.
        let output = match chosen.redaction() {
            Some(_) => Output::held(path, inputs),
            None => Output::open(path, inputs, true),
        };
        output.map(|output| Self::One(output.behind()))
    }

    /// Writes what is buffered, and returns the files that become the targets.
    fn hidden_paths(&mut self) -> Result<Vec<PathBuf>, Failure> {
        match self {
            Self::One(output) => {
                let flushed = output.flush();
                flushed.map_err(|cause| output.failure(&cause))?;
                Ok(output
                    .hidden_path()
                    .into_iter()
                    .map(Path::to_owned)
                    .collect())
            }
            Self::Several(files) => files
                .hidden_paths()
                .map_err(|cause| Failure::output(Path::new("OUT"), &cause)),
        }
    }

    fn close(self, written: io::Result<()>) -> Result<(), Failure> {
        match self {
            Self::One(output) => output.close(written),
            Self::Several(files) => files.close(written),
        }
    }
}

impl CarvedFiles for Target {
    fn append(&mut self, file: usize, blocks: &[u8]) -> io::Result<()> {
        match self {
            Self::One(output) => output.write_all(blocks),
            Self::Several(files) => files.append(file, blocks),
        }
    }
}

fn kinds(only: &[Kind]) -> PacketKinds {
    if only.is_empty() {
        return PacketKinds::ALL;
    }
    PacketKinds {
        control: only.contains(&Kind::Control),
        data: only.contains(&Kind::Data),
        dns: only.contains(&Kind::Dns),
        icmp: only.contains(&Kind::Icmp),
    }
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns true for a name that stands for one file a session.
fn is_pattern(path: &Path) -> bool {
    let name = path.to_string_lossy();
    PLACEHOLDERS.iter().any(|one| name.contains(one))
}

/// Returns the first word in braces that is no placeholder; `None` if there is none.
fn unknown_placeholder(path: &Path) -> Option<String> {
    let name = path.to_string_lossy();
    let mut words = name.split('{').skip(1).filter_map(|rest| {
        let (word, _) = rest.split_once('}')?;
        let is_word = word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_word.then(|| format!("{{{word}}}"))
    });
    words.find(|word| !PLACEHOLDERS.contains(&word.as_str()))
}

/// Words in the name of OUT that stand for the uid and the id of a session.
const PLACEHOLDERS: [&str; 2] = ["{uid}", "{id}"];

/// Connections named in a note.
const NAMED_CONNECTIONS: usize = 10;

const EXAMPLES: &str = "\
Examples:
  ftpscope carve --session 3 -w session.pcapng capture.pcap
  ftpscope carve --where 'login.user == \"mira\"' -w mira.pcapng day/
  ftpscope carve -w 'sessions/{uid}.pcapng' capture.pcapng.gz
  ftpscope carve --session 3 --redact all --mapping mine.jsonl -w forum.pcapng capture.pcap
  ftpscope carve --embed-secrets --keylog keys.log -w readable.pcapng capture.pcap
  ftpscope carve --decrypted --keylog keys.log -w clear.pcapng capture.pcap
  ftpscope carve --only control -w - capture.pcap | tshark -r -";
