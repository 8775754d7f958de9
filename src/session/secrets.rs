//! The one place where secrets are hidden, between reading and the first record.
//!
//! Whether bytes may be a secret is decided on a line of the client as it was sent, not on its parsed verb: home-made
//! clients, loss and snap length put the verb in odd places, and a shown password cannot be taken back. What cannot be
//! decided is hidden.
//!
//! | place | hidden |
//! | --- | --- |
//! | PASS, ACCT, ADAT, and SITE with a word for passwords | the argument |
//! | such a verb at the beginning of a segment, behind a control or, among Telnet bytes or in the login phase, anywhere | what follows it |
//! | a verb that is not known, in the login phase | the whole command |
//! | USER | everything from the first control byte on, or from where another line may begin |
//! | `user:pass@host` in any text | the password, up to the last `@` of its word, or to the end of a word that was cut |
//! | replies, banners, unknown commands, evidence | each word with a later occurrence of such a value of 4 bytes or more, from there on |
//!
//! Another line may begin without a line end before it: at a segment with a verb in front or, in the login phase, with PASS,
//! ACCT or ADAT of which one letter is wrong; and at the first segment behind an answer of the server. Names end there.
//!
//! Bytes of the client that are read as no line give secrets as well: the rest of a line whose beginning was lost, an
//! incomplete line, and bytes captured only after they counted as lost, or with other values than those read.
//!
//! The login phase begins with the session, and again with each USER, REIN, secret and gap in the client's bytes. It ends
//! when a command that needs a login gets a reply below 400: a 230 alone may answer a command that was lost.
//!
//! Later occurrences stay visible in names (users, paths, listings), and where the value is the user's name: hiding
//! those would break paths and reveal that both are equal. So do the usual words of the login dialogue ("331 Please specify
//! the password."), which would reveal that the password is one of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::model::record::Reply;
use crate::model::wire_text;
use crate::protocol::ftp::{Line, Verb, is_anonymous, parse_command};

/// Text in place of a secret.
pub(crate) const HIDDEN: &str = "<hidden>";

/// Secrets of one session, as far as they were sent, and its login phase.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    show: bool,
    values: Values,
    /// Name in the latest USER; empty before it.
    user: Vec<u8>,
    /// The latest line was USER of an anonymous user: a password behind it is shown.
    guest: bool,
    /// The login was used since the phase began.
    login_used: bool,
    /// Sequence number of the command with which the login phase began. Replies to earlier commands end nothing.
    phase: u64,
}

/// Values whose later occurrences are hidden.
///
/// A search costs a bounded number of steps for each byte of the text, however many values there are: a client can
/// send a password in each of a million lines, and a server can answer each with a long reply.
#[derive(Debug, Default)]
struct Values {
    /// First bytes of each value in lower case, [`KEY`] of them at most. Servers repeat commands in upper case.
    keys: BTreeSet<Box<[u8]>>,
    /// One bit for each first byte of a key: most bytes of a text begin none, and need no search.
    first: [u64; 4],
    /// More values were sent than are kept: all texts are hidden.
    overflow: bool,
}

impl Secrets {
    /// Creates an empty set; with `show` nothing is hidden.
    pub(crate) fn new(show: bool) -> Self {
        Self {
            show,
            ..Self::default()
        }
    }

    /// Returns whether secrets are shown as they were sent.
    pub(crate) const fn shown(&self) -> bool {
        self.show
    }

    /// Records a secret, so that later occurrences are hidden. A control may have been a line end, and a byte order mark begins
    /// one: each part between them is recorded as well, and its argument.
    pub(crate) fn add(&mut self, value: &[u8]) {
        if self.show {
            return;
        }
        self.add_one(value);
        let separates = |byte: &u8| byte.is_ascii_control() || *byte == BYTE_ORDER_MARK[0];
        if value.iter().any(separates) {
            for part in value.split(separates) {
                self.add_one(part);
                self.add_one(parse_command(part).argument.unwrap_or_default());
                let begun = trim(part);
                if let Some(length) = secret_verb_length(begun) {
                    self.add_one(&begun[length..]);
                }
            }
        }
    }

    /// Records a secret and each of its words: SITE changes a password by the old and the new one, and a word may have its
    /// verb in front.
    fn add_words(&mut self, secret: &[u8]) {
        self.add(secret);
        for word in secret.split(|&byte| byte == b' ') {
            self.add(word);
            self.add_glued(word);
        }
    }

    /// Records what is glued to a verb, or to what resembles one.
    fn add_glued(&mut self, word: &[u8]) {
        let word = trim(word);
        for known in LOGIN_VERBS.iter().chain(SITE_WORDS) {
            if begins_with(word, known) {
                self.add_one(&word[known.len()..]);
            }
        }
        if let Some(length) = resembling_length(word) {
            self.add_one(&word[length..]);
        }
    }

    /// Records what may be a secret in text that may begin a line of its own.
    fn add_line(&mut self, text: &[u8]) {
        let begun = trim(text);
        self.add(parse_command(begun).argument.unwrap_or_default());
        self.add_glued(begun);
        if let Some(length) = secret_verb_length(begun).or_else(|| resembling_length(begun)) {
            self.add_words(&begun[length..]);
        }
    }

    /// Records the rest of an address whose beginning was lost: the password ends at the last `@`.
    fn add_rest_of_address(&mut self, line: &[u8]) {
        let Some(at) = line.iter().rposition(|&byte| byte == b'@') else {
            return;
        };
        let word = line[..at].iter().rposition(|byte| *byte <= b' ');
        let word = &line[word.map_or(0, |blank| blank + 1)..at];
        self.add_one(&line[..at]);
        self.add_one(word);
        if let Some(colon) = word.iter().position(|&byte| byte == b':') {
            self.add_one(&word[colon + 1..]);
        }
    }

    /// Records the passwords in each `user:pass@host` of a line.
    fn add_in_addresses(&mut self, line: &[u8]) {
        if line.contains(&b':') {
            for word in line.split(|byte| *byte <= b' ') {
                if let Some((from, to)) = password_in(word) {
                    self.add_one(&word[from..to]);
                }
            }
        }
    }

    fn add_one(&mut self, value: &[u8]) {
        let value = trim(value);
        if value.len() >= SHORTEST && !value.eq_ignore_ascii_case(&self.user) {
            self.values.add(value);
        }
    }

    /// Begins the login phase at a gap in the client's bytes; `next` is the sequence number of its next command.
    pub(crate) const fn on_gap(&mut self, next: u64) {
        self.guest = false;
        self.begin_phase(next);
    }

    /// Ends the login phase if a reply shows that the login is used.
    pub(crate) fn on_reply(&mut self, sequence: u64, verb: Verb, code: u16) {
        let needs_login = verb.needs_login() || verb.sets_up_data() || verb == Verb::Rnfr;
        if needs_login && (100..400).contains(&code) && sequence >= self.phase {
            self.login_used = true;
        }
    }

    const fn begin_phase(&mut self, sequence: u64) {
        self.login_used = false;
        self.phase = sequence;
    }

    /// Returns a line of the client without its secrets, and records them. The arguments of PASS, ACCT and ADAT remain:
    /// the login needs them, and they are hidden with their command.
    ///
    /// `sequence` is the number of the command that the line is.
    pub(crate) fn redact<'a>(&mut self, line: Line<'a>, sequence: u64) -> Line<'a> {
        if self.show {
            return line;
        }
        let guest = self.guest;
        let mut begun = 0;
        for (start, _) in line_starts(&line, 0, !self.login_used).take(GLUED) {
            let part = line.bytes.get(begun..start).unwrap_or_default();
            self.note(first_line(part), sequence);
            begun = start;
        }
        if begun > 0 {
            self.note(first_line(&line.bytes[begun..]), sequence);
        }
        if !guest {
            for start in possible_starts(&line).take(GLUED) {
                self.note(first_line(&line.bytes[..start]), sequence);
            }
        }
        self.add_in_addresses(&line.bytes);
        let command = parse_command(&line.bytes);
        let verb = Verb::from_bytes(&command.verb);
        let argument = command.argument.unwrap_or_default();
        // Offset of the argument, or of the end of a line without one.
        let behind_verb = line.bytes.len() - argument.len();
        let redacted = match verb {
            Verb::Pass | Verb::Acct | Verb::Adat => {
                self.begin_phase(sequence);
                self.redact_password(&line, behind_verb)
            }
            Verb::User => {
                self.begin_phase(sequence);
                self.redact_user(&line, behind_verb)
            }
            Verb::Site if names_password(argument) => {
                let shown = shown_of_site(argument);
                // The password may be glued to any of the words.
                self.add_glued(&argument[..word_length(argument)]);
                Some(self.hide_from(&line.bytes, behind_verb + shown))
            }
            Verb::Unknown if !self.login_used || secret_verb(trim(&line.bytes)) => {
                Some(self.hide_unknown(&line))
            }
            Verb::Unknown => self.redact_embedded(&line, 0, true),
            _ => {
                if verb == Verb::Rein {
                    self.begin_phase(sequence);
                }
                self.redact_embedded(&line, behind_verb, !self.login_used)
                    .or_else(|| self.redact_next_line(&line, behind_verb))
            }
        };
        self.guest = verb == Verb::User && is_anonymous(&self.user);
        match redacted {
            None => line,
            Some(bytes) => Line {
                bytes: Cow::Owned(bytes),
                truncated: line.truncated,
                segments: Vec::new(),
                answered: None,
            },
        }
    }

    /// Records the secrets in bytes that are read as no line, since they came too late, or differ from those that were read.
    pub(crate) fn note_undelivered(&mut self, bytes: &[u8], sequence: u64) {
        if self.show {
            return;
        }
        for line in bytes.split(|&byte| byte == b'\n') {
            self.add_rest_of_address(line);
            self.note(first_line(line), sequence);
        }
    }

    /// Records the secrets of a line that is read only later, or not at all, since its beginning was lost.
    pub(crate) fn note(&mut self, line: Line<'_>, sequence: u64) {
        if self.show {
            return;
        }
        let begun = trim(&line.bytes);
        if Verb::from_bytes(&parse_command(begun).verb) == Verb::Unknown {
            // The password may be glued to what is left of its verb.
            for word in LOGIN_VERBS.iter().chain(SITE_WORDS) {
                let mut rests = (0..word.len()).map(|at| &word[at..]);
                if let Some(rest) = rests.find(|rest| begins_with(begun, rest)) {
                    self.add_words(&begun[rest.len()..]);
                }
            }
        }
        let line = self.redact(line, sequence);
        let command = parse_command(&line.bytes);
        if matches!(
            Verb::from_bytes(&command.verb),
            Verb::Pass | Verb::Acct | Verb::Adat
        ) {
            self.add(command.argument.unwrap_or_default());
        }
    }

    /// Records the user, and cuts the name at its first control byte, and where another line or a secret verb may begin.
    fn redact_user(&mut self, line: &Line<'_>, behind_verb: usize) -> Option<Vec<u8>> {
        let argument = line.bytes.get(behind_verb..).unwrap_or_default();
        let name_begins = line.bytes.len() - argument.trim_ascii_start().len();
        let control = argument.iter().position(u8::is_ascii_control);
        let control = control.map(|at| behind_verb + at);
        let next = missing_line_end(line, name_begins, true);
        let secret = embedded(&line.bytes, behind_verb, &line.segments, true);
        let cut = [control, next].into_iter().flatten().min();
        if let Some(cut) = cut.filter(|cut| secret.is_none_or(|at| *cut <= at)) {
            self.user = trim(&line.bytes[behind_verb..cut]).to_vec();
            if let Some(at) = secret {
                self.add_words(&line.bytes[at..]);
            }
            // Where the next line is glued to this one, an earlier one may be as well: the name ends at its first blank.
            let shown = &line.bytes[..cut];
            let blank = shown[name_begins.min(cut)..]
                .iter()
                .position(|&byte| byte == b' ');
            let name_ends = blank.map_or(cut, |at| name_begins + at);
            let shown = self.hide_known_from(shown, name_ends);
            let shown = shown.unwrap_or_else(|| line.bytes[..cut].to_vec());
            return Some([shown, self.cut_at(&line.bytes[cut..], 0)].concat());
        }
        // Where segments began is not known behind Telnet sequences: another line may be glued to the name.
        let blank = argument.iter().position(|&byte| byte == b' ');
        if let Some(blank) = blank.filter(|_| has_telnet(line) && secret.is_none()) {
            let (shown, rest) = line.bytes.split_at(behind_verb + blank);
            self.add_words(rest);
            return Some([shown, b" ", HIDDEN.as_bytes()].concat());
        }
        if let Some(at) = secret {
            return Some(self.hide_from(&line.bytes, at));
        }
        self.user = trim(argument).to_vec();
        // A name in several segments may be a name and a line that repeats a secret.
        let start = line.segments.iter().find(|start| **start > name_begins)?;
        self.hide_known_from(&line.bytes, *start)
    }

    /// Cuts the argument of PASS, ACCT or ADAT where another line or a secret verb may begin: an anonymous password is shown.
    fn redact_password(&mut self, line: &Line<'_>, behind_verb: usize) -> Option<Vec<u8>> {
        let bytes = &*line.bytes;
        let argument = bytes.get(behind_verb..)?;
        let control = argument.iter().position(u8::is_ascii_control);
        let secret = embedded(bytes, behind_verb + 1, &line.segments, true);
        let next = missing_line_end(line, behind_verb, true);
        if let Some(at) = secret {
            self.add_words(&bytes[at..]);
        }
        let cut = [control.map(|at| behind_verb + at), secret, next];
        let cut = cut.into_iter().flatten().min()?;
        if !trim(&bytes[cut..]).is_empty() {
            self.add(argument);
            self.add(&bytes[behind_verb..cut]);
        }
        Some(self.cut_at(bytes, cut))
    }

    /// Hides what may be another line within the argument of a known command: all of it in the login phase, later only
    /// the secrets in it, though the argument may be a path.
    fn redact_next_line(&mut self, line: &Line<'_>, behind_verb: usize) -> Option<Vec<u8>> {
        let next = missing_line_end(line, behind_verb, !self.login_used)?;
        if !self.login_used {
            return Some(self.cut_at(&line.bytes, next));
        }
        self.hide_known_from(&line.bytes, next)
    }

    /// Hides the secrets known so far from offset `at` of a line on; `None` if there are none.
    fn hide_known_from(&self, line: &[u8], at: usize) -> Option<Vec<u8>> {
        let (shown, rest) = line.split_at_checked(at)?;
        Some([shown, &self.values.hide(rest, false)?].concat())
    }

    /// Hides an argument from offset `cut` on. Padding alone is removed.
    fn cut_at(&mut self, line: &[u8], cut: usize) -> Vec<u8> {
        let (shown, rest) = line.split_at(cut);
        let mut out = shown.to_vec();
        if !trim(rest).is_empty() {
            if rest.first().is_some_and(u8::is_ascii_control) {
                self.add(rest);
            }
            self.add_line(rest);
            out.extend_from_slice(HIDDEN.as_bytes());
        }
        out
    }

    /// Hides an unknown command. The method of an HTTP request is shown: it is no secret, and names who called.
    fn hide_unknown(&mut self, line: &Line<'_>) -> Vec<u8> {
        // A line whose end is missing goes on with the next one, in a segment of its own.
        for start in line.segments.iter().take(GLUED) {
            let rest = line.bytes.get(*start..).unwrap_or_default();
            self.add_one(rest);
            self.add_line(rest.get(..LONGEST_GLUED).unwrap_or(rest));
        }
        let line = &*line.bytes;
        let command = parse_command(line);
        self.add(line);
        self.add(&command.verb);
        self.add(command.argument.unwrap_or_default());
        if let Some(at) = embedded(line, 0, &[], true) {
            self.add_words(line.get(at..).unwrap_or_default());
        }
        // The verb may stand behind bytes that are no blanks, or be one of the words of SITE.
        if names_secret(line) {
            self.add_words(line);
        }
        self.add_glued(trim(line));
        self.add_rest_of_address(line);
        let mut out = if is_http_request(line) {
            command.verb
        } else {
            HIDDEN.as_bytes().to_vec()
        };
        if command.argument.is_some() {
            out.push(b' ');
            out.extend_from_slice(HIDDEN.as_bytes());
        }
        out
    }

    /// Hides what follows a secret verb within a line, from offset `from` on; `None` if there is none.
    fn redact_embedded(&mut self, line: &Line<'_>, from: usize, anywhere: bool) -> Option<Vec<u8>> {
        // Of Telnet sequences only stray bytes are left, and where the others stood is not known.
        let anywhere = anywhere || has_telnet(line);
        let at = embedded(&line.bytes, from, &line.segments, anywhere)?;
        Some(self.hide_from(&line.bytes, at))
    }

    /// Hides everything from offset `at` on, and records it.
    fn hide_from(&mut self, line: &[u8], at: usize) -> Vec<u8> {
        let (shown, secret) = line.split_at(at.min(line.len()));
        let secret = secret.trim_ascii_start();
        let mut out = shown.to_vec();
        self.add_words(secret);
        self.begin_phase(self.phase);
        out.push(b' ');
        out.extend_from_slice(HIDDEN.as_bytes());
        out
    }

    /// Returns the text of `bytes` for the report without any secret, and the exact bytes in base64 if they are not UTF-8 and
    /// hold none.
    pub(crate) fn text(&self, bytes: &[u8]) -> (String, Option<String>) {
        shown_text(self.clean(bytes))
    }

    /// Returns the text of a line of a reply, as [`text`](Self::text) does. A `cut` line may end within a secret.
    pub(crate) fn reply_line(&self, code: u16, line: &[u8], cut: bool) -> (String, Option<String>) {
        shown_text(self.clean_reply_line(code, line, cut))
    }

    /// Returns a line of a reply without secrets, as [`clean_line`](Self::clean_line) does.
    pub(crate) fn clean_reply_line<'a>(
        &self,
        code: u16,
        line: &'a [u8],
        cut: bool,
    ) -> Cow<'a, [u8]> {
        if !cut && self.is_standard_text(code, line) {
            return Cow::Borrowed(line);
        }
        self.clean_line(line, cut)
    }

    /// Returns whether a line of a reply is a text of the login that repeats no secret, whatever the password is: to hide a
    /// word of "Please specify the password." would reveal the word.
    ///
    /// Greetings and requests for a password have no password to repeat, so that their usual words stay. Of answers to a
    /// password all words must be usual ones.
    fn is_standard_text(&self, code: u16, line: &[u8]) -> bool {
        let may_answer = match code {
            220 | 331 | 332 => false,
            230 | 530 => true,
            _ => return false,
        };
        if self.values.overflow || line.contains(&b'@') {
            return false;
        }
        let is_usual = |word: &[u8]| {
            let mut usual = USUAL_WORDS.iter();
            usual.any(|known| word.eq_ignore_ascii_case(known))
        };
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
        if may_answer {
            let words = line.split(|byte| !is_letter(byte));
            let mut words = words.filter(|word| !word.is_empty());
            let count = words.clone().count();
            return count > 1
                && words.all(|word| is_usual(word) || word.eq_ignore_ascii_case(&self.user));
        }
        let mut unusual = Vec::with_capacity(line.len());
        for word in line.chunk_by(|a, b| is_letter(a) == is_letter(b)) {
            let is_word = word.first().is_some_and(is_letter);
            unusual.resize(unusual.len() + word.len(), is_word && !is_usual(word));
        }
        !self.values.touches(line, &unusual)
    }

    /// Returns the text of a name: of a user, file or directory. Only passwords in `user:pass@host` are hidden, but what has a
    /// control in it may be two lines, and no name.
    pub(crate) fn name(&self, bytes: &[u8]) -> (String, Option<String>) {
        if bytes.iter().any(u8::is_ascii_control) {
            return self.text(bytes);
        }
        shown_text(self.clean_name(bytes))
    }

    /// Returns the text of a value that is a secret as a whole.
    pub(crate) fn secret(&self, bytes: &[u8]) -> (String, Option<String>) {
        if self.show {
            wire_text::decode(bytes)
        } else {
            (HIDDEN.to_owned(), None)
        }
    }

    /// Returns `bytes` without secrets; borrowed if there are none.
    pub(crate) fn clean<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        self.clean_line(bytes, false)
    }

    /// Returns a line without secrets; of one that is `cut` the end, if it may be the beginning of one.
    pub(crate) fn clean_line<'a>(&self, line: &'a [u8], cut: bool) -> Cow<'a, [u8]> {
        if self.show {
            return Cow::Borrowed(line);
        }
        let clean = hide_in_addresses(line);
        match self.values.hide(&clean, cut) {
            None => clean,
            Some(hidden) => Cow::Owned(hidden),
        }
    }

    /// Hides in a text the secrets that came to light after it was made.
    pub(crate) fn clean_text(&self, text: &mut String) {
        if !self.show
            && let Some(hidden) = self.values.hide(text.as_bytes(), false)
        {
            *text = String::from_utf8_lossy(&hidden).into_owned();
        }
    }

    /// Hides in a reply the secrets that came to light after it was recorded: bytes of the client that were held behind a
    /// hole in its stream.
    pub(crate) fn clean_reply(&self, reply: &mut Reply) {
        if self.show || self.values.is_empty() {
            return;
        }
        for line in &mut reply.lines {
            if !reply.truncated && self.is_standard_text(reply.code, line.as_bytes()) {
                continue;
            }
            if let Some(hidden) = self.values.hide(line.as_bytes(), reply.truncated) {
                *line = String::from_utf8_lossy(&hidden).into_owned();
                reply.lines_b64 = None;
            }
        }
    }

    /// Returns `bytes` without the passwords in `user:pass@host`; borrowed if there are none.
    pub(crate) fn clean_name<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        if self.show {
            Cow::Borrowed(bytes)
        } else {
            hide_in_addresses(bytes)
        }
    }
}

impl Values {
    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn add(&mut self, value: &[u8]) {
        if self.keys.len() >= MOST {
            self.overflow = true;
            return;
        }
        let key = value.get(..KEY).unwrap_or(value).to_ascii_lowercase();
        if let Some(&first) = key.first() {
            self.first[usize::from(first >> 6)] |= 1 << (first & 63);
        }
        self.keys.insert(key.into());
    }

    /// Returns `text` with every value hidden, and of a text that is `cut` the beginning of one at its end; `None` if it has
    /// none.
    fn hide(&self, text: &[u8], cut: bool) -> Option<Vec<u8>> {
        if self.overflow && !text.is_empty() {
            return Some(HIDDEN.into());
        }
        if self.keys.is_empty() || text.len() < SHORTEST {
            return None;
        }
        let mut out: Option<Vec<u8>> = None;
        // End of what is hidden so far. A value may begin within another one, and go on behind it.
        let mut done = 0;
        for at in 0..=text.len() - SHORTEST {
            let rest = &text[at..];
            let begun = || (cut && self.begins_one(rest)).then_some(rest.len());
            let Some(length) = self.longest(rest).or_else(begun) else {
                continue;
            };
            let out = out.get_or_insert_default();
            if at >= done {
                out.extend_from_slice(&text[done..at]);
                out.extend_from_slice(HIDDEN.as_bytes());
            }
            // Of a value that is longer than its key it is not known where it ends.
            if length == KEY {
                done = text.len();
                break;
            }
            // A word that goes on may have another secret behind this one, which only both together name.
            let word = rest[length..].iter();
            let more = word.take_while(|byte| byte.is_ascii_alphanumeric()).count();
            done = done.max(at + length + more);
        }
        let mut out = out?;
        out.extend_from_slice(&text[done..]);
        Some(out)
    }

    /// Returns whether one of the values in `text` has one of the `marked` bytes.
    fn touches(&self, text: &[u8], marked: &[bool]) -> bool {
        (0..text.len()).any(|at| {
            let length = self.longest(&text[at..]);
            length.is_some_and(|length| {
                // Of a value that is longer than its key it is not known where it ends.
                let end = if length == KEY {
                    text.len()
                } else {
                    at + length
                };
                marked[at..end].contains(&true)
            })
        })
    }

    /// Returns whether a key begins with `text`.
    fn begins_one(&self, text: &[u8]) -> bool {
        if text.len() > KEY {
            return false;
        }
        let text = &*text.to_ascii_lowercase();
        let range = (std::ops::Bound::Included(text), std::ops::Bound::Unbounded);
        let mut keys = self.keys.range::<[u8], _>(range);
        keys.next().is_some_and(|key| key.starts_with(text))
    }

    /// Returns the length of the longest key with which `text` begins; `None` without one.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        let first = text.first()?.to_ascii_lowercase();
        if self.first[usize::from(first >> 6)] & (1 << (first & 63)) == 0 {
            return None;
        }
        let mut lower = [0; KEY];
        let window = text.get(..KEY).unwrap_or(text);
        let lower = &mut lower[..window.len()];
        lower.copy_from_slice(window);
        lower.make_ascii_lowercase();
        let mut window = &*lower;
        // The greatest key up to the window is the longest one, or shares only its beginning with it, and then only a key
        // within that beginning is left.
        while window.len() >= SHORTEST {
            let range = (
                std::ops::Bound::Unbounded,
                std::ops::Bound::Included(window),
            );
            let key = self.keys.range::<[u8], _>(range).next_back()?;
            let common = key.iter().zip(window).take_while(|(a, b)| a == b).count();
            if common == key.len() {
                return Some(common);
            }
            window = &window[..common];
        }
        None
    }
}

/// Words of the texts with which servers greet, ask for a password and judge it.
const USUAL_WORDS: &[&[u8]] = &[
    b"a",
    b"accepted",
    b"access",
    b"account",
    b"address",
    b"allowed",
    b"an",
    b"and",
    b"anonymous",
    b"apply",
    b"as",
    b"authentication",
    b"complete",
    b"connected",
    b"connection",
    b"correct",
    b"current",
    b"denied",
    b"directory",
    b"e",
    b"email",
    b"enter",
    b"failed",
    b"for",
    b"ftp",
    b"granted",
    b"guest",
    b"has",
    b"identity",
    b"in",
    b"incorrect",
    b"invalid",
    b"is",
    b"log",
    b"logged",
    b"login",
    b"logon",
    b"mail",
    b"name",
    b"need",
    b"needed",
    b"new",
    b"not",
    b"ok",
    b"okay",
    b"on",
    b"or",
    b"pass",
    b"passwd",
    b"password",
    b"permission",
    b"please",
    b"proceed",
    b"ready",
    b"required",
    b"restrictions",
    b"send",
    b"server",
    b"service",
    b"specify",
    b"successful",
    b"successfully",
    b"supply",
    b"the",
    b"to",
    b"try",
    b"user",
    b"username",
    b"welcome",
    b"with",
    b"wrong",
    b"you",
    b"your",
];

/// Segments of an unknown line that may be lines of their own.
const GLUED: usize = 64;

/// Bytes of each of them that are read: all of them may be the rest of the same long line.
const LONGEST_GLUED: usize = 1024;

/// Returns whether bytes of Telnet sequences are left in a line.
fn has_telnet(line: &Line<'_>) -> bool {
    line.bytes.iter().any(|&byte| byte >= TELNET)
}

/// Returns whether a line holds the letters of a command that carries a secret.
fn names_secret(line: &[u8]) -> bool {
    let holds = |word: &[u8]| {
        line.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    [&b"PASS"[..], b"PSWD", b"ACCT", b"ADAT"]
        .into_iter()
        .any(holds)
}

/// Returns a line of its own, of which no segments are known.
fn first_line(bytes: &[u8]) -> Line<'_> {
    Line {
        bytes: Cow::Borrowed(bytes),
        truncated: true,
        segments: Vec::new(),
        answered: None,
    }
}

/// Returns the first of the [`line_starts`] but for a doubtful one; `None` without one.
fn missing_line_end(line: &Line<'_>, from: usize, resembling: bool) -> Option<usize> {
    let mut starts = line_starts(line, from, resembling);
    starts
        .find(|(_, doubtful)| !doubtful)
        .map(|(start, _)| start)
}

/// Returns the offsets behind `from` at which another line may begin, the line end before it missing.
///
/// They are those of segments that begin with a verb, or with `resembling` with anything that resembles a secret verb, and of
/// the first one behind an answer of the server. Doubtful is a verb at the end of a line that was typed letter by letter: a
/// name such as `superuser` ends with one.
fn line_starts(
    line: &Line<'_>,
    from: usize,
    resembling: bool,
) -> impl Iterator<Item = (usize, bool)> {
    let starts = line.segments.iter().copied().enumerate();
    // The padding of a line is cut off, and with it the segments that held nothing else.
    let within = move |start| start > from && start < line.bytes.len();
    starts.filter_map(move |(index, start)| {
        if !within(start) || line.answered == Some(start) {
            return within(start).then_some((start, false));
        }
        let rest = trim(line.bytes.get(start..).unwrap_or_default());
        let beginning = parse_command(rest.get(..LONGEST_VERB).unwrap_or(rest));
        let known = Verb::from_bytes(&beginning.verb) != Verb::Unknown;
        let typed = line.segments.get(index + 1) == Some(&(start + 1));
        let resembles = resembling && resembling_length(rest).is_some();
        let doubtful = !resembles && typed && beginning.argument.is_none();
        (known || resembles).then_some((start, doubtful))
    })
}

/// Returns the offsets at which a segment begins with what looks like a line of a verb that is not known: up to four letters and a
/// separator, or the end. What stands before may be a secret by itself.
fn possible_starts(line: &Line<'_>) -> impl Iterator<Item = usize> {
    let starts = line.segments.iter().copied();
    starts
        .take_while(|start| *start < line.bytes.len().min(LONGEST_GLUED))
        .filter(|start| {
            let rest = trim(&line.bytes[*start..]);
            let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic());
            let length = letters.count();
            (1..=VERB).contains(&length) && rest.get(length).is_none_or(|byte| *byte <= b' ')
        })
}

/// Returns the length of what resembles PASS, ACCT or ADAT at the beginning of text that goes on behind it, with one letter
/// changed, missing, added or exchanged with the next; `None` without one.
fn resembling_length(text: &[u8]) -> Option<usize> {
    LOGIN_VERBS.iter().find_map(|verb| {
        let same = (text.iter().zip(*verb))
            .take_while(|(letter, other)| letter.eq_ignore_ascii_case(other))
            .count();
        let begins =
            |from: usize, rest: &[u8]| text.get(from..).is_some_and(|text| begins_with(text, rest));
        let swapped = |at: usize| {
            let pair = verb.get(at..at + 2).zip(text.get(at..at + 2));
            pair.is_some_and(|(verb, text)| {
                verb[0].eq_ignore_ascii_case(&text[1]) && verb[1].eq_ignore_ascii_case(&text[0])
            }) && begins(at + 2, &verb[at + 2..])
        };
        let changed = || begins(same + 1, &verb[same + 1..]) || swapped(same);
        let length = if same == SECRET_VERB || changed() {
            SECRET_VERB
        } else if begins(same + 1, &verb[same..]) {
            SECRET_VERB + 1
        } else if begins(same, &verb[same + 1..]) {
            SECRET_VERB - 1
        } else {
            return None;
        };
        (text.len() >= length + SHORTEST).then_some(length)
    })
}

/// Returns the offset behind the first secret verb of a line from offset `from` on, if it begins a segment, stands behind a
/// control, or with `anywhere` is followed by a separator.
fn embedded(line: &[u8], from: usize, segments: &[usize], anywhere: bool) -> Option<usize> {
    (from..line.len()).find_map(|at| {
        let rest = &line[at..];
        let behind = at + secret_verb_length(rest)?;
        let separated = line
            .get(behind)
            .is_some_and(|&byte| byte <= b' ' || matches!(byte, b':' | b'=' | 127));
        let text_before = trim_end_blanks(&line[..at]);
        let before = text_before.last();
        // The rest of a byte order mark.
        let behind_mark = anywhere && at > from && line[at - 1] >= 0x80;
        let segment = segments.partition_point(|start| *start < text_before.len());
        let begins = behind_mark
            || before.is_none_or(|byte| byte.is_ascii_control() || *byte >= TELNET)
            || segments.get(segment).is_some_and(|start| *start <= at);
        // A word of its own in a line of the login phase may be the next command, its line end lost or never sent.
        let word = at > from && line[at - 1] == b' ';
        (begins || (anywhere && (separated || word))).then_some(behind)
    })
}

/// Returns the length of the secret verb with which text begins, SITE and its word included; `None` without one.
fn secret_verb_length(text: &[u8]) -> Option<usize> {
    if secret_verb(text) {
        return Some(SECRET_VERB);
    }
    let argument = text
        .split_at_checked(4)
        .filter(|(verb, _)| verb.eq_ignore_ascii_case(b"SITE"))?
        .1;
    (argument.first() == Some(&b' ') && names_password(argument))
        .then(|| text.len() - argument.len() + shown_of_site(argument))
}

/// Returns whether text begins with a verb whose argument is a secret.
fn secret_verb(text: &[u8]) -> bool {
    text.get(..SECRET_VERB).is_some_and(|word| {
        [b"PASS", b"ACCT", b"ADAT", b"PSWD"]
            .iter()
            .any(|verb| word.eq_ignore_ascii_case(*verb))
    })
}

/// Returns whether the argument of SITE changes a password: PSWD, and the words that servers have for it (CHPASS, PASSWD).
fn names_password(argument: &[u8]) -> bool {
    let word = argument[..word_length(argument)].to_ascii_uppercase();
    let has = |part: &[u8]| word.windows(part.len()).any(|window| window == part);
    has(b"PASS") || has(b"PSW") || has(b"PWD")
}

/// Returns how many bytes of the argument of such a SITE are no secret: its word, unless a password may be glued to it.
fn shown_of_site(argument: &[u8]) -> usize {
    let length = word_length(argument);
    let word = trim(&argument[..length]);
    let before = length - word.len();
    let known = SITE_WORDS.iter().find(|known| {
        begins_with(word, known) && (word.len() == known.len() || known.len() == SECRET_VERB)
    });
    known.map_or(0, |known| before + known.len())
}

fn begins_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
}

/// Returns the length of the first word, with the blanks before it.
fn word_length(argument: &[u8]) -> usize {
    let blanks = argument.len() - argument.trim_ascii_start().len();
    let word = argument[blanks..].iter();
    blanks + word.take_while(|byte| **byte > b' ').count()
}

/// Returns whether a line is the first one of an HTTP request (RFC 9112 section 3).
fn is_http_request(line: &[u8]) -> bool {
    let mut words = line.split(|&byte| byte == b' ');
    let method = words.next().unwrap_or_default();
    [
        &b"GET"[..],
        b"HEAD",
        b"POST",
        b"PUT",
        b"OPTIONS",
        b"CONNECT",
    ]
    .contains(&method)
        && words
            .next_back()
            .is_some_and(|last| last.starts_with(b"HTTP/"))
}

/// Trims blanks, controls, byte order marks and what is left of one, and at the beginning bytes of Telnet sequences.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [0..=b' ' | 127 | 0x80..=0xbf | TELNET.., rest @ ..] | [0xef, 0xbb, 0xbf, rest @ ..] =
        bytes
    {
        bytes = rest;
    }
    while let [rest @ .., 0..=b' ' | 127 | 0xef]
    | [rest @ .., 0xef, 0xbb]
    | [rest @ .., 0xef, 0xbb, 0xbf] = bytes
    {
        bytes = rest;
    }
    bytes
}

fn trim_end_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., b' '] = bytes {
        bytes = rest;
    }
    bytes
}

fn shown_text(bytes: Cow<'_, [u8]>) -> (String, Option<String>) {
    match bytes {
        Cow::Borrowed(bytes) => wire_text::decode(bytes),
        Cow::Owned(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), None),
    }
}

/// Hides the password in each `user:pass@host`: in a word from the first colon behind the scheme to the last `@`, for a
/// password may hold `@`, `/` and quotes that nobody escaped.
fn hide_in_addresses(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b':') || !(text.contains(&b'@') || text.contains(&b'/')) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::new();
    let mut done = 0;
    let mut start = 0;
    while start < text.len() {
        let word = text[start..].iter();
        let end = start + word.take_while(|byte| !byte.is_ascii_whitespace()).count();
        if let Some((from, to)) = password_in(&text[start..end]) {
            out.extend_from_slice(&text[done..start + from]);
            out.extend_from_slice(HIDDEN.as_bytes());
            done = start + to;
        }
        start = end + 1;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[done..]);
    Cow::Owned(out)
}

/// Returns where the password in a word begins and ends; `None` without one. Without `@`, an address that goes on behind its
/// colon with anything but a port is one that was cut.
fn password_in(word: &[u8]) -> Option<(usize, usize)> {
    let Some(last) = word.iter().rposition(|&byte| byte == b'@') else {
        let name = memchr::memmem::find(word, b"://")? + 3;
        let colon = name + word[name..].iter().position(|&byte| byte == b':')?;
        let is_port = word[colon + 1..].first().is_none_or(u8::is_ascii_digit);
        let is_host = word[name..colon].contains(&b'/');
        return (!is_port && !is_host).then_some((colon + 1, word.len()));
    };
    let mut user = 0;
    loop {
        let colon = user + word[user..last].iter().position(|&byte| byte == b':')?;
        if word[colon..].starts_with(b"://") {
            user = colon + 3;
            if user > last {
                return None;
            }
            continue;
        }
        let name = word[user..colon].iter();
        let named = name
            .filter(|byte| !matches!(byte, b'/' | b'"' | b'<' | b'\'' | b'('))
            .count();
        return (named > 0 && colon + 1 < last).then_some((colon + 1, last));
    }
}

/// Verbs of the login whose argument is a secret.
const LOGIN_VERBS: &[&[u8]] = &[b"PASS", b"ACCT", b"ADAT"];

/// Words of SITE that change a password, on servers in use.
const SITE_WORDS: &[&[u8]] = &[
    b"CHPASS",
    b"CHPASSWD",
    b"CHPWD",
    b"PASSWD",
    b"PASSWORD",
    b"PASS",
    b"PSWD",
];

/// Length of the verbs whose argument is a secret, in bytes.
const SECRET_VERB: usize = 4;

/// Longest verb of RFC 959 section 5.3, in bytes.
const VERB: usize = 4;

/// Longest beginning of a segment in which a verb is looked for, in bytes.
const LONGEST_VERB: usize = 16;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// First of the bytes that Telnet commands are made of (RFC 854).
const TELNET: u8 = 240;

/// Shortest value that is looked for, in bytes: shorter ones would hide half of every text.
const SHORTEST: usize = 4;

/// Bytes of a value by which it is found; what follows a longer one is hidden to the end of the text.
const KEY: usize = 32;

/// Values kept of one session; beyond them all its texts are hidden.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secrets: &mut Secrets, line: &[u8], segments: &[usize]) -> String {
        let line = Line {
            bytes: Cow::Borrowed(line),
            truncated: false,
            segments: segments.to_vec(),
            answered: None,
        };
        String::from_utf8_lossy(&secrets.redact(line, 1).bytes).into_owned()
    }

    #[test]
    fn later_occurrences_are_hidden_and_their_bytes_left_out() {
        let mut secrets = Secrets::new(false);
        secrets.add(b"hunter2");
        secrets.add(b"abc");
        assert_eq!(
            secrets.text(b"your password hunter2, HUNTER2 \xff abc"),
            ("your password <hidden>, <hidden> \u{fffd} abc".into(), None)
        );
        assert_eq!(secrets.text(b"plain"), ("plain".into(), None));
        assert_eq!(secrets.name(b"/home/hunter2").0, "/home/hunter2");
    }

    #[test]
    fn longest_value_is_hidden_and_every_one_of_many() {
        let mut secrets = Secrets::new(false);
        for value in [
            "secr",
            "secretive",
            "secret",
            "secrets of all sessions, which are long",
        ] {
            secrets.add(value.as_bytes());
        }
        for number in 0..1000 {
            secrets.add(format!("key-{number:04}").as_bytes());
        }
        assert_eq!(secrets.text(b"secretly, I").0, "<hidden>, I");
        assert_eq!(secrets.text(b"a secretive b").0, "a <hidden> b");
        assert_eq!(secrets.text(b"secreti").0, "<hidden>");
        assert_eq!(secrets.text(b"key-0999, key-1000").0, "<hidden>, key-1000");
        let long = b"> secrets of all sessions, which are long";
        assert_eq!(secrets.text(long).0, "> <hidden>");
    }

    #[test]
    fn password_that_is_the_name_of_the_user_is_not_looked_for() {
        let mut secrets = Secrets::new(false);
        redacted(&mut secrets, b"USER rocky", &[]);
        secrets.add(b"rocky");
        assert_eq!(secrets.text(b"Welcome rocky").0, "Welcome rocky");
    }

    #[test]
    fn too_many_values_hide_every_text() {
        let mut secrets = Secrets::new(false);
        for number in 0..=MOST {
            secrets.add(format!("{number:08}").as_bytes());
        }
        assert_eq!(secrets.text(b"230 in").0, "<hidden>");
    }

    #[test]
    fn secret_verb_in_an_odd_place_hides_what_follows() {
        for (line, shown) in [
            (&b"USER bobPASS Kq7vXw"[..], "USER bobPASS <hidden>"),
            (b"USER bob\rKq7vXw", "USER bob<hidden>"),
            (b"USER bob\0\0", "USER bob"),
            (b"USER compass", "USER compass"),
            (b"USER bob acctKq7vXw", "USER bob acct <hidden>"),
            (b"Kq7vXw", "<hidden>"),
            (b"PASSS Kq7vXw", "<hidden> <hidden>"),
            (b"GET /Kq7vXw HTTP/1.1", "GET <hidden>"),
            (b"SITE CHPASS Kq7vXw", "SITE CHPASS <hidden>"),
            (b"SITE PSWDKq7vXw", "SITE PSWD <hidden>"),
            (b"OPTS pass Kq7vXw", "OPTS pass <hidden>"),
            (b"RETR a\rPASSKq7vXw", "RETR a\rPASS <hidden>"),
        ] {
            let mut secrets = Secrets::new(false);
            assert_eq!(redacted(&mut secrets, line, &[]), shown);
            if shown.contains(HIDDEN) && !shown.starts_with("GET") {
                assert_eq!(secrets.text(b"500 Kq7vXw?").0, "500 <hidden>?", "{shown}");
            }
        }
    }

    #[test]
    fn used_login_shows_unknown_commands_until_the_next_gap() {
        let mut secrets = Secrets::new(false);
        secrets.on_reply(1, Verb::Pwd, 257);
        assert_eq!(redacted(&mut secrets, b"FROB x", &[]), "FROB x");
        assert_eq!(
            redacted(&mut secrets, b"RETR my pass word", &[]),
            "RETR my pass word"
        );
        assert_eq!(
            redacted(&mut secrets, b"RETR aPASS x", &[6]),
            "RETR aPASS <hidden>"
        );
        assert_eq!(redacted(&mut secrets, b"FROB x", &[]), "<hidden> <hidden>");
        secrets.on_reply(1, Verb::Pasv, 227);
        assert_eq!(redacted(&mut secrets, b"FROB x", &[]), "FROB x");
        assert_eq!(
            redacted(&mut secrets, b"PASSWORD: x", &[]),
            "<hidden> <hidden>"
        );
        secrets.on_gap(2);
        secrets.on_reply(1, Verb::Pasv, 227);
        assert_eq!(redacted(&mut secrets, b"FROB x", &[]), "<hidden> <hidden>");
    }

    #[test]
    fn passwords_in_addresses_are_hidden_up_to_the_last_at_sign() {
        let secrets = Secrets::new(false);
        for (text, shown) in [
            (
                &b"get ftp://bob:pw@host/x and eve:x:y@h"[..],
                "get ftp://bob:<hidden>@host/x and eve:<hidden>@h",
            ),
            (
                b"ftp://bob:Se@Cr/Et\"Pw@host/x",
                "ftp://bob:<hidden>@host/x",
            ),
            (b"ftp://bob@dom:pw@host", "ftp://bob@dom:<hidden>@host"),
            (b"at 12:30 mail bob@host", "at 12:30 mail bob@host"),
            (b"ftp://:@", "ftp://:@"),
            (b"ftp://@", "ftp://@"),
            (b"CWD ftp://bob:pw", "CWD ftp://bob:<hidden>"),
            (b"see ftp://host:2121/a:b", "see ftp://host:2121/a:b"),
            (b"see ftp://host/a:b", "see ftp://host/a:b"),
        ] {
            assert_eq!(secrets.text(text).0, shown);
            assert_eq!(secrets.name(text).0, shown);
        }
    }

    #[test]
    fn name_ends_where_another_line_may_begin() {
        for (line, segments, answered, shown) in [
            (&b"USER bobNOOP x"[..], &[8][..], None, "USER bob<hidden>"),
            (b"USER bobPA#S Kq7vXw", &[8], None, "USER bob<hidden>"),
            (b"USER bobPSS Kq7vXw", &[8], None, "USER bob<hidden>"),
            (b"USER bobAPSSKq7vXw", &[8], None, "USER bob<hidden>"),
            (b"USER bobPAASS Kq7vXw", &[8], None, "USER bob<hidden>"),
            (b"USER bobXBAR Kq7vXw", &[8], Some(8), "USER bob<hidden>"),
            (b"USER bob\0PASS x", &[], None, "USER bob<hidden>"),
            (b"USER bobXBAR x", &[8], None, "USER bobXBAR x"),
            (b"USER passmore", &[7], None, "USER passmore"),
            (b"USER maria-louise", &[8], None, "USER maria-louise"),
            (
                b"USER superuser",
                &[6, 7, 8, 9, 10, 11, 12, 13],
                None,
                "USER superuser",
            ),
            (b"TYPE IXBAR Kq7vXw", &[6], Some(6), "TYPE I<hidden>"),
            (
                b"USER ftp://bob:Kq7vXw@h/xXBAR Kq7vXw\0\rSYST",
                &[],
                None,
                "USER ftp://bob:Kq7vXw@h/xXBAR <hidden><hidden>",
            ),
        ] {
            let mut secrets = Secrets::new(false);
            let has_secret = line.ends_with(b"Kq7vXw");
            let line = Line {
                bytes: Cow::Borrowed(line),
                truncated: false,
                segments: segments.to_vec(),
                answered,
            };
            let redacted = secrets.redact(line, 1);
            assert_eq!(String::from_utf8_lossy(&redacted.bytes), shown);
            if has_secret {
                assert_eq!(secrets.text(b"500 Kq7vXw?").0, "500 <hidden>?", "{shown}");
            }
        }
    }

    #[test]
    fn secret_of_a_line_within_a_name_is_hidden_once_it_is_known() {
        let mut secrets = Secrets::new(false);
        secrets.add(b"Kq7vXw");
        assert_eq!(
            redacted(&mut secrets, b"USER bobXBAR Kq7vXw", &[8]),
            "USER bobXBAR <hidden>"
        );
        secrets.on_reply(1, Verb::Pwd, 257);
        assert_eq!(
            redacted(&mut secrets, b"CWD /aNOOP Kq7vXw", &[6]),
            "CWD /aNOOP <hidden>"
        );
        assert_eq!(
            redacted(&mut secrets, b"CWD /a/Kq7vXw", &[6]),
            "CWD /a/Kq7vXw"
        );
    }

    #[test]
    fn lines_glued_to_a_password_are_secrets_of_their_own() {
        for (line, segments) in [
            (&b"PASS me@example.com SITE PSWD Kq7vXw"[..], &[19][..]),
            (b"PASS Kq7vXw\xef\xbb\xbfQUIT", &[11]),
            (b"US#R mira\rPASS Kq7vXw\xef\xbb\xbfQUIT", &[10, 21]),
            (b"ER miraPASS Kq7vXw", &[7]),
            (b"USER mira\0\rSITE CHPASSKq7vXw", &[]),
        ] {
            let mut secrets = Secrets::new(false);
            secrets.note(
                Line {
                    bytes: Cow::Borrowed(line),
                    truncated: false,
                    segments: segments.to_vec(),
                    answered: None,
                },
                1,
            );
            let text = line.escape_ascii();
            assert_eq!(secrets.text(b"500 Kq7vXw?").0, "500 <hidden>?", "{text}");
        }
    }

    #[test]
    fn beginning_of_a_line_is_a_secret_where_a_segment_may_begin_another() {
        for (line, segments) in [
            (&b"PASS Kq7vXw XBAR x"[..], &[12][..]),
            (b"PASSKq7vXwXBAR x", &[10]),
            (b"SITE CHPASS Kq7vXwABOR", &[18, 19, 20, 21]),
            (b"PaasS\tKq7vXw QU", &[13]),
        ] {
            let mut secrets = Secrets::new(false);
            redacted(&mut secrets, line, segments);
            let text = line.escape_ascii();
            assert_eq!(secrets.text(b"500 Kq7vXw?").0, "500 <hidden>?", "{text}");
        }
    }

    #[test]
    fn anonymous_password_in_segments_stays_visible() {
        let mut secrets = Secrets::new(false);
        redacted(&mut secrets, b"USER ftp", &[]);
        redacted(&mut secrets, b"PASS me@example.com", &[16]);
        assert_eq!(secrets.text(b"Hi me@example.com").0, "Hi me@example.com");
    }

    #[test]
    fn rest_of_a_cut_address_is_a_secret() {
        let mut secrets = Secrets::new(false);
        secrets.note(first_line(b":Kq7vXw@host/x"), 1);
        assert_eq!(secrets.text(b"500 Kq7vXw?").0, "500 <hidden>?");
    }

    #[test]
    fn reply_that_is_cut_within_a_secret_hides_its_beginning() {
        let mut secrets = Secrets::new(false);
        secrets.add(b"Kq7vXw new");
        assert_eq!(secrets.reply_line(500, b"'Kq7vXw n", true).0, "'<hidden>");
        assert_eq!(secrets.reply_line(500, b"'Kq7", true).0, "'Kq7");
        assert_eq!(secrets.reply_line(500, b"'Kq7vXw n", false).0, "'Kq7vXw n");
    }

    #[test]
    fn show_hides_nothing() {
        let mut secrets = Secrets::new(true);
        secrets.add(b"hunter2");
        assert_eq!(secrets.text(b"a:b@ hunter2").0, "a:b@ hunter2");
        assert_eq!(secrets.secret(b"x").0, "x");
        assert_eq!(
            redacted(&mut secrets, b"USER bobPASS x", &[]),
            "USER bobPASS x"
        );
    }

    #[test]
    fn usual_words_of_the_login_dialogue_do_not_reveal_that_the_password_is_one() {
        for password in ["password", "login", "Please", "welcome", "anonymous"] {
            let mut secrets = Secrets::new(false);
            secrets.add(password.as_bytes());
            for (code, text) in [
                (220, "Welcome to the Acme FTP server, please login"),
                (331, "Please specify the password."),
                (
                    331,
                    "Anonymous login ok, send your complete e-mail address as password",
                ),
                (230, "Login successful."),
                (530, "Please login with USER and PASS."),
            ] {
                assert_eq!(secrets.reply_line(code, text.as_bytes(), false).0, text);
            }
            // What may be an echo is hidden.
            for code in [230, 500, 530] {
                let echo = format!("Sorry, {password} is not the key");
                let shown = secrets.reply_line(code, echo.as_bytes(), false).0;
                assert_eq!(shown, "Sorry, <hidden> is not the key");
            }
            assert_eq!(
                secrets.reply_line(530, password.as_bytes(), false).0,
                HIDDEN
            );
        }
        let mut secrets = Secrets::new(false);
        secrets.add(b"Acme");
        let shown = secrets.reply_line(220, b"Welcome to Acme", false).0;
        assert_eq!(shown, "Welcome to <hidden>");
    }
}
