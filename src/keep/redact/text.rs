//! Lines of control connections and listings: which of their parts are replaced, and by what.
//!
//! A rewriter first learns the values of all chosen sessions, so that copies are found in texts before their first appearance as
//! well. Texts are rewritten in place; a byte that was replaced once is not touched again:
//!
//! 1. secrets, as the report hides them, and passwords in `user:pass@host`
//! 2. what the grammar names: the argument of USER, HOST or a command with a path, a quoted path, a path from the root on
//! 3. addresses, in any notation of FTP
//! 4. copies of values
//!
//! Verbs and reply codes always stay.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use compact_str::CompactString;

use super::substitution::{Mapping, Substitution};
use super::verification::encoded_forms;
use super::vocabulary::{Occurrence, Vocabulary, is_word_byte};
use super::{Class, Classes};
use crate::keep::redact::streams::Half;
use crate::model::record::{EntryKind, ListingEntry};
use crate::model::streams::{ArgumentKind, PartKind};
use crate::model::{Endpoint, Timestamp};
use crate::protocol::ftp::facts;
use crate::protocol::ftp::listing::{Extent, ListingKind, is_unread_line, parse_listing};

/// Replaces parts of lines.
#[derive(Debug)]
pub(super) struct Rewriter {
    classes: Classes,
    substitution: Substitution,
    vocabulary: Vocabulary,
    /// Length of the shortest password that is known, of which `x` is one in the redacted file; `None` without one.
    shortest_password: Option<usize>,
    /// Latest user in the stream that is learned; empty before the first.
    user: Vec<u8>,
    /// Codes of the reply of several lines that the stream is within; `None` between replies.
    within: Option<[u8; 3]>,
    /// No byte of the client was captured: names in replies are those of no command.
    is_one_sided: bool,
    /// Addresses in place of a host's name in TLS handshakes.
    host_addresses: BTreeSet<Vec<u8>>,
}

/// A text while it is rewritten.
struct Text<'t> {
    old: &'t [u8],
    new: &'t mut [u8],
    /// Bytes that are not to be touched again.
    done: Vec<bool>,
}

impl Text<'_> {
    /// Replaces `old[from..]` by a text of the same length.
    fn put(&mut self, from: usize, replacement: &[u8]) {
        let to = from + replacement.len();
        if let Some(new) = self.new.get_mut(from..to) {
            new.copy_from_slice(replacement);
            self.keep(from, to);
        }
    }

    /// Leaves bytes as they are now.
    fn keep(&mut self, from: usize, to: usize) {
        if let Some(done) = self.done.get_mut(from..to) {
            done.fill(true);
        }
    }

    /// Returns the next bytes from `at` on that nothing has replaced; `None` if there are none.
    fn free_run(&self, at: usize) -> Option<Range<usize>> {
        let from = at + self.done.get(at..)?.iter().position(|done| !done)?;
        let length = self.done[from..].iter().position(|done| *done);
        Some(from..length.map_or(self.done.len(), |length| from + length))
    }

    fn is_free(&self, from: usize, to: usize) -> bool {
        self.done
            .get(from..to)
            .is_some_and(|done| !done.contains(&true))
    }

    /// Replaces a byte by `x`, unless it was replaced before.
    fn hide_free(&mut self, at: usize) {
        if self.is_free(at, at + 1) {
            self.put(at, b"x");
        }
    }

    /// Replaces each byte by `x`.
    fn hide(&mut self, from: usize, to: usize) {
        if from < to {
            self.put(from, &vec![b'x'; to - from]);
        }
    }
}

/// Places within a line of the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandPlaces {
    verb: usize,
    verb_end: usize,
    pub(super) argument: usize,
    end: usize,
    /// Where the secret begins; `None` without one.
    secret: Option<usize>,
}

impl CommandPlaces {
    pub(super) fn of(
        line: &[u8],
        argument: ArgumentKind,
        shown: Option<usize>,
        secret_is_shown: bool,
    ) -> Self {
        let end = line.trim_ascii_end();
        let end = end
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        let padding = line
            .iter()
            .take_while(|&&byte| matches!(byte, b'\r' | 0))
            .count();
        let begin = if line[padding..].starts_with(BYTE_ORDER_MARK) {
            padding + BYTE_ORDER_MARK.len()
        } else {
            padding
        }
        .min(end);
        let verb = line[begin..end].iter().position(u8::is_ascii_alphabetic);
        let verb = verb.map_or(begin, |at| begin + at);
        let is_separator = |byte: &u8| matches!(byte, b' ' | b'\t');
        let verb_end = line[verb..end].iter().position(is_separator);
        let verb_end = verb_end.map_or(end, |at| verb + at);
        let behind_verb = (verb_end + 1).min(end);
        let has_telnet = line[begin..end].contains(&IAC);
        let mut secret = shown.map(|shown| match has_telnet {
            false => (begin + shown).min(end),
            // Offsets in a line with Telnet sequences are not those of the report.
            true if shown > verb_end - verb => behind_verb,
            true => verb,
        });
        if argument == ArgumentKind::Secret && !secret_is_shown {
            secret = Some(secret.map_or(behind_verb, |secret| secret.min(behind_verb)));
        }
        Self {
            verb,
            verb_end,
            argument: behind_verb,
            end,
            secret,
        }
    }

    /// Returns the end of what is shown.
    fn shown_end(&self) -> usize {
        self.secret.unwrap_or(self.end)
    }
}

impl Rewriter {
    pub(super) fn new(classes: Classes, substitution: Substitution) -> Self {
        Self {
            classes,
            substitution,
            vocabulary: Vocabulary::default(),
            shortest_password: None,
            user: Vec::new(),
            within: None,
            is_one_sided: false,
            host_addresses: BTreeSet::new(),
        }
    }

    pub(super) fn mapping(&self) -> Mapping {
        self.substitution.mapping()
    }

    pub(super) const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    pub(super) const fn substitution(&self) -> &Substitution {
        &self.substitution
    }

    // ---- Learning.

    /// Prepares for the parts of another stream.
    pub(super) fn begin_to_learn(&mut self) {
        self.user.clear();
    }

    /// Learns the values in a part of a control stream.
    pub(super) fn learn(
        &mut self,
        line: &[u8],
        kind: Option<PartKind>,
        is_shown: &dyn Fn(u64) -> bool,
    ) {
        match kind {
            Some(PartKind::Command {
                sequence,
                argument,
                shown,
            }) => {
                let places = CommandPlaces::of(line, argument, shown, is_shown(sequence));
                self.learn_command(line, argument, places);
            }
            Some(PartKind::Reply) if self.classes.has(Class::Paths) => {
                if line.starts_with(b"257")
                    && let Some((from, to)) = quoted(line)
                {
                    self.learn_path(&line[from..to]);
                }
                if let Some(name) = opened_name(line) {
                    self.learn_path(name);
                }
            }
            Some(PartKind::Reply) => {}
            Some(PartKind::Unread) => self.learn_secret(line),
            Some(PartKind::Encrypted | PartKind::Prelude) | None => return,
        }
        if self.classes.has(Class::Passwords) {
            for (from, to) in passwords_in(line) {
                self.learn_secret(&line[from..to]);
            }
        }
    }

    fn learn_command(&mut self, line: &[u8], kind: ArgumentKind, places: CommandPlaces) {
        if let Some(secret) = places.secret {
            let hidden = &line[secret..without_version(line, secret, places.end)];
            self.learn_secret(hidden);
            if has_words(kind, secret, places) {
                for word in hidden.split(|&byte| byte == b' ') {
                    self.learn_secret(word);
                }
            }
            if secret <= places.verb {
                self.learn_secret(&line[places.verb..places.verb_end]);
                self.learn_secret(&line[places.argument..places.end]);
            }
        }
        let end = places.shown_end();
        let argument = line.get(places.argument..end).unwrap_or_default();
        if kind == ArgumentKind::User {
            self.user = argument.trim_ascii().to_vec();
        }
        match kind {
            ArgumentKind::User if self.classes.has(Class::Users) => {
                for user in users_of(argument) {
                    self.vocabulary.add(user, Class::Users);
                }
            }
            ArgumentKind::Path | ArgumentKind::Other if self.classes.has(Class::Paths) => {
                let verb = &line[places.verb..places.verb_end];
                if let Some((from, to)) = path_place(kind, verb, argument) {
                    self.learn_path(&argument[from..to]);
                }
            }
            ArgumentKind::Host if self.classes.has(Class::Names) => self.learn_host(argument),
            _ => {}
        }
    }

    /// Learns a secret, unless it is the user's name: a report does not hide the copies of that, and neither does redaction.
    fn learn_secret(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        if value.len() < SHORTEST || !self.classes.has(Class::Passwords) {
            return;
        }
        let shortest = self.shortest_password.unwrap_or(value.len());
        self.shortest_password = Some(shortest.min(value.len()));
        if !value.eq_ignore_ascii_case(&self.user) {
            self.vocabulary.add(value, Class::Passwords);
            for form in encoded_forms(value) {
                self.vocabulary.add(&form, Class::Passwords);
            }
        }
    }

    fn learn_path(&mut self, path: &[u8]) {
        for (from, to) in parts_of(path) {
            let part = &path[from..to];
            // A pattern is the name of no file, and a sign alone is no name.
            let is_pattern = part.iter().any(|byte| matches!(byte, b'*' | b'?'));
            if !is_pattern
                && part
                    .iter()
                    .any(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
            {
                self.vocabulary.add(part, Class::Paths);
            }
        }
    }

    fn learn_host(&mut self, name: &[u8]) {
        let name = name.trim_ascii();
        let is_name = name.iter().any(u8::is_ascii_alphabetic);
        if !is_name && dotted_numbers(name).is_some() {
            self.host_addresses.insert(name.to_vec());
        }
        if !is_name || name.contains(&b' ') {
            return;
        }
        // Mail addresses have the domain alone.
        let labels = name.split(|&byte| byte == b'.');
        let domains = name.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let domains = domains.map(|(at, _)| &name[at + 1..]);
        for name in domains.chain(labels).chain([name]) {
            let is_wanted = self.classes.has(Class::Names);
            if is_wanted && name.len() >= SHORTEST && !Substitution::is_reserved_label(name) {
                self.vocabulary.add(name, Class::Names);
            }
        }
    }

    /// Learns the names of hosts and of files in listings, and draws the replacements of users.
    pub(super) fn learn_names<'n>(
        &mut self,
        hosts: impl Iterator<Item = &'n Vec<u8>>,
        entries: impl Iterator<Item = &'n Vec<u8>>,
    ) {
        if self.classes.has(Class::Names) || self.classes.has(Class::Addresses) {
            hosts.for_each(|host| self.learn_host(host));
        }
        if self.classes.has(Class::Paths) {
            entries.for_each(|entry| self.learn_path(entry));
        }
        let users: Vec<Vec<u8>> = self
            .vocabulary
            .of(Class::Users)
            .map(<[u8]>::to_vec)
            .collect();
        self.substitution
            .draw_users(users.iter().map(Vec::as_slice));
    }

    // ---- Control connections.

    /// Rewrites a control stream; `is_one_sided` tells that nothing of the other direction was captured.
    pub(super) fn rewrite_stream(&mut self, half: &Half, new: &mut [u8], is_one_sided: bool) {
        self.within = None;
        self.is_one_sided = is_one_sided;
        half.each_place(&mut |place, kind| {
            let line = &half.bytes[place.clone()];
            self.rewrite_part(line, &mut new[place], kind);
        });
    }

    fn rewrite_part(&mut self, line: &[u8], new: &mut [u8], kind: Option<PartKind>) {
        let mut text = Text {
            old: line,
            new,
            done: vec![false; line.len()],
        };
        match kind {
            Some(PartKind::Command {
                argument, shown, ..
            }) => {
                // The password of an anonymous login, which the report shows, is the address of its user.
                let places = CommandPlaces::of(line, argument, shown, false);
                self.rewrite_command(&mut text, argument, places);
            }
            Some(PartKind::Reply) => self.rewrite_reply(&mut text),
            Some(PartKind::Encrypted) => self.rewrite_host_names(&mut text),
            Some(PartKind::Prelude) => self.rewrite_proxy_dialogue(&mut text),
            Some(PartKind::Unread) | None => self.hide_unread(&mut text),
        }
    }

    /// Hides bytes that were not read as a line: letters and digits, so that no line begins or ends elsewhere.
    fn hide_unread(&self, text: &mut Text<'_>) {
        if self.classes.has_text() {
            super::Rest::Hide.apply(0, text.old, text.new);
        } else {
            self.rewrite_values(text);
        }
    }

    fn rewrite_command(&self, text: &mut Text<'_>, kind: ArgumentKind, places: CommandPlaces) {
        if let Some(secret) = places.secret
            && self.classes.has(Class::Passwords)
        {
            // Blanks between words that are secrets of their own stay.
            let keeps_blanks = has_words(kind, secret, places);
            let mask = |text: &[u8]| -> Vec<u8> {
                let masked = text.iter().map(|&byte| match byte {
                    b' ' if keeps_blanks => b' ',
                    _ => b'x',
                });
                masked.collect()
            };
            let value = text.old[secret..places.end].trim_ascii();
            if !value.is_empty() {
                let masked = mask(value);
                self.substitution.record(Class::Passwords, value, &masked);
            }
            if secret <= places.verb {
                // The verb of an unknown command is hidden too; that it has an argument stays.
                text.hide(places.verb, places.verb_end);
                text.hide(places.argument, places.end);
            } else {
                let end = without_version(text.old, secret, places.end);
                let hidden = &text.old[secret..end];
                // Blanks in front are no part of a password, neither here nor in reports.
                let begin = end - hidden.trim_ascii_start().len();
                text.put(begin, &mask(&text.old[begin..end]));
                text.keep(secret, end);
            }
        }
        text.keep(0, places.argument.min(places.shown_end()));
        let end = places.shown_end();
        if places.argument < end {
            let argument = &text.old[places.argument..end];
            match kind {
                ArgumentKind::User if self.classes.has(Class::Users) => {
                    let user = argument.trim_ascii();
                    if !is_public_user(user) && text.is_free(places.argument, end) {
                        let from =
                            places.argument + argument.len() - argument.trim_ascii_start().len();
                        text.put(from, &self.substitution.user(user));
                    } else {
                        text.keep(places.argument, end);
                    }
                }
                ArgumentKind::Path | ArgumentKind::Other if self.classes.has(Class::Paths) => {
                    let verb = &text.old[places.verb..places.verb_end];
                    if let Some((from, to)) = path_place(kind, verb, argument) {
                        self.rewrite_path(text, places.argument + from, places.argument + to);
                    }
                }
                ArgumentKind::Host if self.classes.has(Class::Names) => {
                    let name = &text.old[places.argument..end];
                    if name.iter().any(u8::is_ascii_alphabetic) {
                        text.put(places.argument, &self.substitution.host_name(name));
                    }
                }
                _ => {}
            }
        }
        self.rewrite_values(text);
    }

    fn rewrite_reply(&mut self, text: &mut Text<'_>) {
        let line = text.old;
        let code = reply_code(line);
        let begins = self.within.is_none();
        let current = self.within.or(code);
        match (self.within, code) {
            (None, Some(code)) if line.get(3) == Some(&b'-') => self.within = Some(code),
            (Some(open), Some(code)) if open == code && line.get(3) != Some(&b'-') => {
                self.within = None;
            }
            _ => {}
        }
        let text_begin = reply_text(line);
        text.keep(0, text_begin);
        let Some(current) = current else {
            self.rewrite_values(text);
            return;
        };
        if self.classes.has(Class::Banners) && BANNERS.contains(&&current) {
            super::Rest::Hide.apply(0, &line[text_begin..], &mut text.new[text_begin..]);
            self.keep_passwords_apart(text, text_begin);
            return;
        }
        let is_inside = !begins && self.within.is_some();
        let end = line.trim_ascii_end().len();
        if is_inside && let Some(name) = name_in_listing(&line[..end]) {
            // STAT and MLST have lines of listings in their replies. The facts of a single file say no more than SIZE does.
            let is_status = matches!(&current, b"211" | b"212" | b"213");
            let hides = is_status && self.classes.has(Class::Content);
            self.rewrite_listing_line(text, name, hides);
            return;
        }
        if self.classes.has(Class::Paths) {
            if &current == b"257"
                && let Some((from, to)) = quoted(line)
            {
                self.rewrite_path(text, from, to);
            }
            self.rewrite_absolute_paths(text);
        }
        self.rewrite_values(text);
        if self.is_one_sided && self.classes.has_text() && names_something(current) {
            hide_words(text);
        }
    }

    /// Hides the copies of passwords in a text that was hidden from `from` on, and breaks all other runs of `x` in it.
    ///
    /// A password of `n` bytes is `x` `n` times in the redacted file, and a secret there as well: a report hides it wherever it
    /// occurs. Each run of the same letter gets another one before it is as long as the shortest password.
    fn keep_passwords_apart(&self, text: &mut Text<'_>, from: usize) {
        let Some(shortest) = self.shortest_password else {
            return;
        };
        let within = from..text.old.len();
        let mut copies = self
            .vocabulary
            .occurrences(text.old, within.clone())
            .filter(|found| found.class == Class::Passwords)
            .map(|found| word_around(text.old, found, &within))
            .peekable();
        let mut run = 0;
        for at in within.clone() {
            while copies.next_if(|copy| copy.end <= at).is_some() {}
            let is_copy = copies.peek().is_some_and(|copy| copy.contains(&at));
            if is_copy {
                // Also the signs in it, as wherever else it occurs.
                text.new[at] = b'x';
            }
            run = match text.new[at] {
                b'x' if !is_copy => run + 1,
                _ => 0,
            };
            if run == shortest {
                text.new[at] = OTHER_MASK;
                run = 0;
            }
        }
    }

    /// Rewrites each part of a path.
    fn rewrite_path(&self, text: &mut Text<'_>, from: usize, to: usize) {
        let Some(path) = text.old.get(from..to) else {
            return;
        };
        for (begin, end) in parts_of(path) {
            if text.is_free(from + begin, from + end) {
                text.put(from + begin, &self.substitution.part(&path[begin..end]));
            }
        }
    }

    /// Rewrites paths that begin at the root, up to the end of their quotation or word.
    fn rewrite_absolute_paths(&self, text: &mut Text<'_>) {
        let line = text.old;
        let mut at = 4.min(line.len());
        while at < line.len() {
            let before = line[at - 1];
            let is_begin =
                line[at] == b'/' && (before <= b' ' || is_quote(before) || before == b'(');
            if !is_begin {
                at += 1;
                continue;
            }
            let is_end = |byte: &u8| {
                if is_quote(before) {
                    *byte == before || *byte < b' '
                } else {
                    *byte <= b' ' || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b',' | b';')
                }
            };
            let word_end = |from: usize| {
                let length = line[from..].iter().position(is_end);
                length.map_or(line.len(), |length| from + length)
            };
            // A full stop ends the sentence.
            let name_end = |from: usize, to: usize| {
                let is_part = |byte: &u8| !matches!(byte, b'.' | b':');
                from + line[from..to]
                    .iter()
                    .rposition(is_part)
                    .map_or(0, |last| last + 1)
            };
            let mut next = word_end(at).max(at + 1);
            let mut end = name_end(at, next);
            // A known name with a blank goes on behind the word, and the path perhaps behind the name.
            while line.get(end) == Some(&b' ') {
                let slash = line[at..end].iter().rposition(|byte| *byte == b'/');
                let name = at + slash.map_or(0, |slash| slash + 1);
                let longer = self.vocabulary.longest_path_at(line, name);
                let Some(longer) = longer.filter(|longer| name + longer > end) else {
                    break;
                };
                end = name + longer;
                next = end;
                if line.get(end) == Some(&b'/') {
                    next = word_end(end);
                    end = name_end(end, next);
                }
            }
            self.rewrite_path(text, at, end);
            at = next;
        }
    }

    /// Rewrites what is exchanged with a proxy before a connection.
    pub(super) fn rewrite_prelude(&self, old: &[u8], new: &mut [u8]) {
        let mut text = Text {
            old,
            new,
            done: vec![false; old.len()],
        };
        self.rewrite_proxy_dialogue(&mut text);
    }

    /// Rewrites a header of the PROXY protocol, CONNECT, SOCKS, or their answers: addresses and credentials.
    fn rewrite_proxy_dialogue(&self, text: &mut Text<'_>) {
        let old = text.old;
        let length = old.len();
        match old {
            [b'\r', b'\n', b'\r', ..] => {
                // Version 2: the family is in the upper half of byte 13, addresses begin at 16.
                let width = match old.get(13).map(|byte| byte >> 4) {
                    Some(1) => 4,
                    Some(2) => 16,
                    _ => return,
                };
                self.put_address(text, 16, width);
                self.put_address(text, 16 + width, width);
            }
            [4 | 0, ..] if length >= 8 => {
                // SOCKS 4: the address is behind command and port, a user and perhaps a host follow.
                self.put_address(text, 4, 4);
                if old[0] == 4 && self.classes.has(Class::Users) {
                    text.hide(8, length.saturating_sub(1));
                }
            }
            [5, ..] => self.rewrite_socks5(text),
            _ => {
                let secret =
                    memchr::memmem::find(&old.to_ascii_lowercase(), b"proxy-authorization:");
                if let Some(at) = secret
                    && self.classes.has(Class::Passwords)
                {
                    let begin = at + PROXY_AUTHORIZATION;
                    let end = old[begin..].iter().position(|&byte| byte == b'\r');
                    text.hide(begin, end.map_or(length, |end| begin + end));
                }
                self.rewrite_values(text);
            }
        }
    }

    /// Rewrites SOCKS 5 (RFC 1928): the address at the end of request or reply, user and password (RFC 1929) before it.
    fn rewrite_socks5(&self, text: &mut Text<'_>) {
        let old = text.old;
        let ends_with = |back: usize, kind: u8| {
            let at = old.len().checked_sub(back)?;
            let is_there = old[at] == 5 && old[at + 2] == 0 && old[at + 3] == kind;
            is_there.then_some(at)
        };
        let mut end = old.len();
        if let Some(at) = ends_with(10, 1) {
            self.put_address(text, at + 4, 4);
            end = at;
        } else if let Some(at) = ends_with(22, 4) {
            self.put_address(text, at + 4, 16);
            end = at;
        } else {
            for length in 1..=255_u8 {
                let size = usize::from(length);
                if let Some(at) = ends_with(size + 7, 3).filter(|at| old[at + 4] == length) {
                    if self.classes.has(Class::Names) {
                        let name = self.substitution.host_name(&old[at + 5..at + 5 + size]);
                        text.put(at + 5, &name);
                    }
                    end = at;
                    break;
                }
            }
        }
        // The methods; then version 1, and two texts with their lengths.
        let methods = old.get(1).map_or(0, |count| 2 + usize::from(*count));
        if old.get(methods) == Some(&1) && methods < end {
            let mut at = methods + 1;
            for class in [Class::Users, Class::Passwords] {
                let size = old.get(at).map_or(0, |size| usize::from(*size));
                if self.classes.has(class) {
                    text.hide((at + 1).min(end), (at + 1 + size).min(end));
                }
                at += 1 + size;
            }
        }
    }

    /// Replaces the bytes of an address.
    fn put_address(&self, text: &mut Text<'_>, at: usize, width: usize) {
        let Some(old) = text.old.get(at..at + width) else {
            return;
        };
        // SOCKS 4a has a host in place of an address that begins with 0.0.0.
        if self.classes.has(Class::Addresses) && !old.starts_with(&[0, 0, 0]) {
            let mut bytes = [0; 16];
            bytes[16 - width..].copy_from_slice(old);
            let mut address = u128::from_be_bytes(bytes);
            if width == 4 {
                address |= 0xffff_0000_0000;
            }
            let new = self.substitution.address(address).to_be_bytes();
            text.put(at, &new[16 - width..]);
        }
    }

    // ---- Values in any text.

    /// Rewrites a text that is no line: a title of the report.
    pub(super) fn rewrite_text(&self, old: &[u8], new: &mut [u8]) {
        let mut text = Text {
            old,
            new,
            done: vec![false; old.len()],
        };
        if self.classes.has(Class::Paths) {
            self.rewrite_absolute_paths(&mut text);
        }
        self.rewrite_values(&mut text);
    }

    /// Replaces passwords in addresses, addresses of hosts, and copies of values.
    fn rewrite_values(&self, text: &mut Text<'_>) {
        if self.classes.has(Class::Passwords) {
            for (from, to) in passwords_in(text.old) {
                if text.is_free(from, to) {
                    text.hide(from, to);
                }
            }
        }
        if self.classes.has(Class::Addresses) {
            self.rewrite_addresses(text);
        }
        for numbers in grammar_numbers(text.old) {
            text.keep(numbers.start, numbers.end);
        }
        self.replace_copies(text, text.old.len(), &Class::ALL);
    }

    /// Replaces copies of values of some classes before `end`.
    ///
    /// One within a longer word takes the whole word along: "Pass" replaced in "Password" would be no secret any more.
    fn replace_copies(&self, text: &mut Text<'_>, end: usize, classes: &[Class]) {
        let old = text.old;
        let mut at = 0;
        while let Some(run) = text.free_run(at).filter(|run| run.start < end) {
            at = run.end;
            let run = run.start..run.end.min(end);
            let within = run.clone();
            for found in self.vocabulary.occurrences(old, run) {
                if !classes.contains(&found.class) || !text.is_free(found.from, found.to) {
                    continue;
                }
                let word = word_around(old, found, &within);
                if word.len() > found.to - found.from && text.is_free(word.start, word.end) {
                    let new = match found.class {
                        Class::Passwords => vec![b'x'; word.len()],
                        class => self.substitution.word(class, &old[word.clone()]),
                    };
                    text.put(word.start, &new);
                } else {
                    let value = &old[found.from..found.to];
                    let new = match found.class {
                        Class::Passwords => vec![b'x'; value.len()],
                        Class::Users => self.substitution.user(value),
                        Class::Names => self.substitution.host_name(value),
                        _ => self.substitution.part(value),
                    };
                    text.put(found.from, &new);
                }
            }
        }
    }

    /// Replaces only names of hosts, in the clear parts of a TLS handshake.
    fn rewrite_host_names(&self, text: &mut Text<'_>) {
        let hello = text.old.len().min(HELLO);
        if self.classes.has(Class::Addresses) {
            for address in &self.host_addresses {
                let places: Vec<_> =
                    memchr::memmem::find_iter(&text.old[..hello], address).collect();
                for at in places {
                    self.rewrite_address_at(text, at);
                }
            }
        }
        if !self.classes.has(Class::Names) {
            return;
        }
        for found in self.vocabulary.occurrences(&text.old[..hello], 0..hello) {
            if found.class == Class::Names {
                let name = &text.old[found.from..found.to];
                text.put(found.from, &self.substitution.host_name(name));
            }
        }
    }

    /// Rewrites the names of hosts in the hello of a TLS connection.
    pub(super) fn rewrite_hello(&self, old: &[u8], new: &mut [u8]) {
        let mut text = Text {
            old,
            new,
            done: vec![false; old.len()],
        };
        self.rewrite_host_names(&mut text);
    }

    /// Replaces IP and MAC addresses in any notation.
    fn rewrite_addresses(&self, text: &mut Text<'_>) {
        let mut at = 0;
        while at < text.old.len() {
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.');
            let begins = text.old[at].is_ascii_hexdigit() || matches!(text.old[at], b':' | b'-');
            if !begins || (at > 0 && is_word(text.old[at - 1])) {
                at += 1;
                continue;
            }
            at += self.rewrite_address_at(text, at).max(1);
        }
    }

    /// Replaces an address at a place; returns its length, 0 without one.
    fn rewrite_address_at(&self, text: &mut Text<'_>, at: usize) -> usize {
        let rest = &text.old[at..];
        if let Some(numbers) = comma_numbers(rest) {
            let length = numbers.last().map_or(0, |number| number.end);
            if text.is_free(at, at + length) {
                self.rewrite_numbers(text, at, &numbers);
            }
            return length;
        }
        if let Some(numbers) = dotted_numbers(rest) {
            let length = numbers[3].end;
            if text.is_free(at, at + length) {
                let is_reversed = rest[length..]
                    .to_ascii_lowercase()
                    .starts_with(b".in-addr.arpa");
                let mut octets = numbers.map(|number| number.value);
                if is_reversed {
                    octets.reverse();
                }
                let mut new = self.octets(octets);
                if is_reversed {
                    new.reverse();
                }
                for (number, octet) in numbers.iter().zip(new) {
                    let new = padded(text.old, at, number, octet);
                    text.put(at + number.begin, &new);
                }
            }
            return length;
        }
        let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        let length = rest
            .iter()
            .position(|byte| !is_part(byte))
            .unwrap_or(rest.len());
        let word = rest[..length].trim_ascii_end();
        if memchr::memchr_iter(b':', word).count() >= 2
            && text.is_free(at, at + word.len())
            && let Some(new) = self.colon_address(word)
        {
            text.put(at, &new);
        }
        length
    }

    /// Returns the replacement of an IPv6 or MAC address as text; `None` if it is none.
    fn colon_address(&self, word: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(word).ok()?;
        if word.len() == 17 && word.split(|&byte| byte == b':').all(|pair| pair.len() == 2) {
            let mut address = [0; 6];
            for (octet, pair) in address.iter_mut().zip(text.split(':')) {
                *octet = u8::from_str_radix(pair, 16).ok()?;
            }
            let new = self.substitution.hardware(address);
            let new = new.map(|octet| format!("{octet:02x}")).join(":");
            return Some(in_case_of(word, new.as_bytes()));
        }
        let address: std::net::Ipv6Addr = text.parse().ok()?;
        let new = self.substitution.address(u128::from(address));
        let new = std::net::Ipv6Addr::from(new).segments();
        // Each group stays where it is, with as many digits; those between two colons are 0 and stay.
        let groups: Vec<&[u8]> = word.split(|&byte| byte == b':').collect();
        let has_tail = word.contains(&b'.');
        let compressed = groups.iter().position(|group| group.is_empty());
        let mut out: Vec<Vec<u8>> = Vec::new();
        let from_end = groups.len() - usize::from(has_tail);
        for (index, group) in groups.iter().enumerate() {
            if group.is_empty() {
                out.push(Vec::new());
                continue;
            }
            if group.contains(&b'.') {
                let numbers = dotted_numbers(group)?;
                let tail = [new[6].to_be_bytes(), new[7].to_be_bytes()].concat();
                let parts = numbers.iter().zip(tail);
                let parts: Vec<_> = parts
                    .map(|(number, octet)| padded(group, 0, number, octet))
                    .collect();
                out.push(parts.join(&b'.'));
                continue;
            }
            let place = if compressed.is_some_and(|at| index > at) {
                (8 - 2 * usize::from(has_tail)).checked_sub(from_end - index)?
            } else {
                index
            };
            let digits = format!("{:0width$x}", new.get(place)?, width = group.len());
            out.push(digits.into_bytes());
        }
        let new = out.join(&b':');
        (new.len() == word.len()).then(|| in_case_of(word, &new))
    }

    /// Replaces the numbers of the address in `h1,h2,h3,h4,p1,p2` or the long form of RFC 1639.
    fn rewrite_numbers(&self, text: &mut Text<'_>, at: usize, numbers: &[Number]) {
        let values: Vec<u8> = numbers.iter().map(|number| number.value).collect();
        let (from, new) = match values.as_slice() {
            [4, 4, a, b, c, d, 2, _, _] => (2, self.octets([*a, *b, *c, *d]).to_vec()),
            [6, 16, address @ .., 2, _, _] if address.len() == 16 => {
                let mut octets = [0; 16];
                octets.copy_from_slice(address);
                let new = self.substitution.address(u128::from_be_bytes(octets));
                (2, new.to_be_bytes().to_vec())
            }
            [a, b, c, d, ..] => (0, self.octets([*a, *b, *c, *d]).to_vec()),
            _ => return,
        };
        for (number, octet) in numbers[from..].iter().zip(new) {
            let new = padded(text.old, at, number, octet);
            text.put(at + number.begin, &new);
        }
    }

    fn octets(&self, octets: [u8; 4]) -> [u8; 4] {
        let new = self.substitution.address(Endpoint::v4(octets, 0).address);
        let [.., a, b, c, d] = new.to_be_bytes();
        [a, b, c, d]
    }

    // ---- Listings.

    /// Rewrites a listing line by line.
    ///
    /// The reader of reports finds the names in forms of its own, the columns after them, and headings, which stay such.
    pub(super) fn rewrite_listing(&self, old: &[u8], new: &mut [u8]) {
        let hides = self.classes.has(Class::Content);
        let read = ReadListing::of(old);
        let mut begin = 0;
        while begin < old.len() {
            let end = memchr::memchr(b'\n', &old[begin..]).map_or(old.len(), |at| begin + at + 1);
            let mut text = Text {
                old: &old[begin..end],
                new: &mut new[begin..end],
                done: vec![false; end - begin],
            };
            let shown = text.old.trim_ascii_end();
            let common = name_in_listing(shown);
            let name = match read.find(shown) {
                ReadLine::Heading if common.is_none() => {
                    self.rewrite_heading(&mut text);
                    begin = end;
                    continue;
                }
                ReadLine::Entry { name, columns } => {
                    if hides {
                        for place in columns {
                            super::Rest::Hide.apply(
                                0,
                                &text.old[place.clone()],
                                &mut text.new[place.clone()],
                            );
                            text.keep(place.start, place.end);
                        }
                    }
                    // The common forms have the target of a link behind the name.
                    common.filter(|(from, _)| *from == name.0).or(Some(name))
                }
                ReadLine::Heading | ReadLine::Unknown => common.or_else(|| self.known_name(shown)),
            };
            match name {
                Some(name) => self.rewrite_listing_line(&mut text, name, hides),
                // Of an unknown form all of it is the name, as in NLST.
                None => self.rewrite_listing_line(&mut text, (0, shown.len()), hides),
            }
            begin = end;
        }
    }

    /// Rewrites a heading of a listing: words that headings are made of stay.
    fn rewrite_heading(&self, text: &mut Text<'_>) {
        let line = text.old;
        self.replace_copies(
            text,
            line.len(),
            &[Class::Users, Class::Passwords, Class::Names],
        );
        for word in words_of(line.trim_ascii_end(), b' ') {
            let shown = &line[word.clone()];
            let is_usual = HEADING_WORDS
                .iter()
                .any(|one| shown.eq_ignore_ascii_case(one))
                || !shown.iter().any(u8::is_ascii_alphabetic);
            if !is_usual && self.classes.has(Class::Paths) && text.is_free(word.start, word.end) {
                text.put(word.start, &self.substitution.word(Class::Paths, shown));
            }
        }
    }

    /// Returns the place of the first name in a line of a rare form that the report has as an entry, as a word of its own.
    fn known_name(&self, line: &[u8]) -> Option<(usize, usize)> {
        let is_border =
            |byte: Option<&u8>| byte.is_none_or(|byte| matches!(byte, b' ' | b'\t' | b';' | b','));
        let mut found = self.vocabulary.occurrences(line, 0..line.len());
        let found = found.find(|one| {
            let before = one.from.checked_sub(1).and_then(|at| line.get(at));
            one.class == Class::Paths && is_border(before) && is_border(line.get(one.to))
        });
        found.map(|one| (one.from, one.to))
    }

    /// Rewrites a line of a listing: its name, and words that are users. With `hides` the words without a part in the shape
    /// of the entry are hidden too: see [`hidden_in_listing`].
    fn rewrite_listing_line(&self, text: &mut Text<'_>, name: (usize, usize), hides: bool) {
        let line = text.old;
        let (from, to) = name;
        if self.classes.has(Class::Paths) {
            let arrow = memchr::memmem::find(&line[from..to], b" -> ");
            match arrow {
                Some(arrow) => {
                    self.rewrite_path(text, from, from + arrow);
                    self.rewrite_path(text, from + arrow + 4, to);
                }
                None => self.rewrite_path(text, from, to),
            }
        }
        if self.classes.has(Class::Paths) {
            text.keep(from, to);
        }
        self.replace_copies(text, to, &[Class::Users, Class::Passwords, Class::Names]);
        text.keep(from, to);
        if hides {
            for place in hidden_in_listing(line, from) {
                if text.is_free(place.start, place.end) {
                    super::Rest::Hide.apply(0, &line[place.clone()], &mut text.new[place]);
                }
            }
        }
    }
}

/// A listing as the report has it.
struct ReadListing {
    /// Name, owner and group by line; names of entries alone, if their line is wrapped.
    lines: HashMap<Vec<u8>, [Option<Vec<u8>>; 3]>,
}

/// A line of a listing as the report has it.
enum ReadLine {
    /// An entry.
    Entry {
        name: (usize, usize),
        /// Owner and group.
        columns: Vec<Range<usize>>,
    },
    /// No entry, among others that are.
    Heading,
    /// An entry of no known form, or a name that is not where it is looked for.
    Unknown,
}

impl ReadListing {
    fn of(text: &[u8]) -> Self {
        let mut lines = HashMap::new();
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let of_facts = facts::parse_entry(first.trim_ascii_end());
        if of_facts.is_some_and(|entry| entry.kind != EntryKind::Other) {
            return Self { lines };
        }
        let extent = Extent::WHOLE;
        let now = Timestamp::from_nanos(0);
        let listing = parse_listing(text, ListingKind::List, now, extent, ENTRIES);
        let is_read = |entry: &ListingEntry| !is_unread_line(entry);
        // With more entries than that, a line without one may have been left out.
        if listing.omitted > 0 || !listing.entries.iter().any(is_read) {
            return Self { lines };
        }
        for entry in listing.entries {
            let column = |text: Option<CompactString>| text.map(|text| text.as_bytes().to_vec());
            // The common forms find the target of a link as well.
            if entry.target.is_some() {
                let line = entry.raw.trim_ascii_end().as_bytes().to_vec();
                lines.insert(line, [None, None, None]);
                continue;
            }
            let mut parts = entry.raw.split('\n');
            let [first, behind] = [parts.next(), parts.next()];
            let name = is_read(&entry).then(|| entry.name.as_bytes().to_vec());
            let columns = [column(entry.owner), column(entry.group)];
            let line = |text: &str| text.trim_ascii_end().as_bytes().to_vec();
            let [owner, group] = columns;
            match (first, behind) {
                (Some(first), Some(behind)) => {
                    lines.insert(line(first), [name, None, None]);
                    lines.insert(line(behind), [None, owner, group]);
                }
                (Some(first), None) => {
                    lines.insert(line(first), [name, owner, group]);
                }
                _ => {}
            }
        }
        Self { lines }
    }

    fn find(&self, line: &[u8]) -> ReadLine {
        if self.lines.is_empty() {
            return ReadLine::Unknown;
        }
        let Some([name, owner, group]) = self.lines.get(line) else {
            // Folders of `ls -R` are paths, long lines are cut in the report, and so is a byte order mark.
            let is_heading = !line.ends_with(b":")
                && line.len() < LONG_LINE
                && !line.starts_with(BYTE_ORDER_MARK);
            return if is_heading && std::str::from_utf8(line).is_ok() {
                ReadLine::Heading
            } else {
                ReadLine::Unknown
            };
        };
        let name = match name {
            Some(name) => name_place(line, name),
            // The second line of an entry.
            None if owner.is_some() || group.is_some() => Some((line.len(), line.len())),
            None => None,
        };
        let Some(name) = name else {
            return ReadLine::Unknown;
        };
        let columns = [owner, group].into_iter().flatten();
        let is_word = |text: &&Vec<u8>| text.iter().any(u8::is_ascii_alphabetic);
        let columns = columns.filter(is_word).filter_map(|text| {
            let mut places = word_places(line, text);
            places.find(|place| place.end <= name.0 || place.start >= name.1)
        });
        ReadLine::Entry {
            name,
            columns: columns.collect(),
        }
    }
}

/// Returns where a name stands in a line: at its end, or as a word; of a name that a form writes in two columns, the first.
fn name_place(line: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    if line.ends_with(name) {
        return Some((line.len() - name.len(), line.len()));
    }
    let place = |place: Range<usize>| (place.start, place.end);
    if let Some(found) = word_places(line, name).next() {
        return Some(place(found));
    }
    let dot = memchr::memrchr(b'.', name).filter(|dot| *dot > 0)?;
    let (stem, extension) = (&name[..dot], &name[dot + 1..]);
    let found = word_places(line, stem).next()?;
    let follows = line[found.end..].trim_ascii_start().starts_with(extension);
    follows.then(|| place(found))
}

/// Returns the places of a text in a line that are no part of a longer word.
fn word_places<'l>(line: &'l [u8], text: &'l [u8]) -> impl Iterator<Item = Range<usize>> + 'l {
    let is_border = |at: Option<usize>| {
        let byte = at.and_then(|at| line.get(at));
        byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte.is_ascii())
    };
    memchr::memmem::find_iter(line, text)
        .map(move |from| from..from + text.len())
        .filter(move |place| is_border(place.start.checked_sub(1)) && is_border(Some(place.end)))
}

/// Returns the places in a line of a listing, whose name begins at `name`, that are hidden with the content. Kind, rights,
/// size and date stay, so that the redacted listing has the same entries.
///
/// - Facts (RFC 3659 section 7.5): the values of all but type, size, dates and rights.
/// - `ls -l`: owner and group, between the count of links and the size.
/// - Other forms: words of four letters and more, and owners in brackets.
fn hidden_in_listing(line: &[u8], name: usize) -> Vec<Range<usize>> {
    let before = &line[..name.min(line.len())];
    let is_facts = before.ends_with(b"; ") && before.contains(&b'=');
    let words = words_of(before, if is_facts { b';' } else { b' ' });
    if is_facts {
        return words
            .into_iter()
            .filter_map(|word| {
                let equals = word.start + memchr::memchr(b'=', &before[word.clone()])?;
                let fact = before[word.start..equals].trim_ascii_start();
                let is_shape = SHAPE_FACTS.iter().any(|one| fact.eq_ignore_ascii_case(one));
                (!is_shape).then_some(equals + 1..word.end)
            })
            .collect();
    }
    let is_number = |word: &Range<usize>| before[word.clone()].iter().all(u8::is_ascii_digit);
    if let [mode, rest @ ..] = &words[..]
        && is_mode(&before[mode.clone()])
    {
        let date = rest.iter().position(|word| {
            let word = &before[word.clone()];
            let is_month = MONTHS.iter().any(|month| word.eq_ignore_ascii_case(month));
            is_month || word.len() == 10 && word[4] == b'-' && word[7] == b'-'
        });
        // Another language: month, day and time are the three words before the name.
        let size = date
            .unwrap_or(rest.len().saturating_sub(3))
            .saturating_sub(1);
        let links = usize::from(rest.first().is_some_and(is_number));
        return rest.get(links..size).unwrap_or_default().to_vec();
    }
    let is_hidden = |word: &Range<usize>| {
        let word = &before[word.clone()];
        let is_owner = word.starts_with(b"[") && word.contains(&b',');
        is_owner || word.len() > 3 && word.iter().all(u8::is_ascii_alphabetic)
    };
    let is_total = before.starts_with(b"total ");
    words
        .into_iter()
        .filter(|word| !is_total && is_hidden(word))
        .collect()
}

/// Returns whether a word is the type and the rights of an entry of `ls -l`.
fn is_mode(word: &[u8]) -> bool {
    let is_right = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    matches!(
        word.first(),
        Some(b'-' | b'd' | b'l' | b'b' | b'c' | b'p' | b's')
    ) && word.len() >= 10
        && word[1..10].iter().all(is_right)
}

/// Returns the places of the words that a separator divides.
fn words_of(text: &[u8], separator: u8) -> Vec<Range<usize>> {
    let mut begin = 0;
    let mut words = Vec::new();
    for word in text.split(|&byte| byte == separator) {
        if !word.is_empty() {
            words.push(begin..begin + word.len());
        }
        begin += word.len() + 1;
    }
    words
}

/// Facts that make up the shape of an entry.
const SHAPE_FACTS: &[&[u8]] = &[
    b"type",
    b"size",
    b"sizd",
    b"modify",
    b"create",
    b"perm",
    b"unix.mode",
];

/// Returns the word that an occurrence stands in, as far as it lies `within` a range.
fn word_around(text: &[u8], found: Occurrence, within: &Range<usize>) -> Range<usize> {
    let mut word = found.from..found.to;
    // A value that begins or ends with another sign ends a word itself.
    if is_word_byte(text[found.from]) {
        let before = text[within.start..found.from].iter().rev();
        word.start -= before.take_while(|byte| is_word_byte(**byte)).count();
    }
    if is_word_byte(text[found.to - 1]) {
        let behind = text[found.to..within.end].iter();
        word.end += behind.take_while(|byte| is_word_byte(**byte)).count();
    }
    word
}

/// Returns the numbers of a line that have a meaning by their place: those of PORT and 227, `(|||port|)`, `|1|address|port|`,
/// "N bytes", the size or time in a reply 213, and the argument of REST or ALLO. They stay, as do verbs and codes, whatever a
/// folder is called.
pub(super) fn grammar_numbers(line: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let shown = line.trim_ascii_end();
    if let Some((verb, text)) = shown.split_at_checked(4)
        && matches!(&*verb.to_ascii_uppercase(), b"213 " | b"REST" | b"ALLO")
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b' '))
    {
        found.push(4..shown.len());
    }
    let mut at = 0;
    while let Some(begin) = shown[at..].iter().position(u8::is_ascii_digit) {
        let from = at + begin;
        let length = shown[from..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit());
        let to = from + length.count();
        if let Some(numbers) = comma_numbers(&shown[from..]) {
            at = from + numbers.last().map_or(1, |number| number.end);
            found.push(from..at);
            continue;
        }
        let is_port = from > 0 && shown[from - 1] == b'|' && shown.get(to) == Some(&b'|');
        let unit = b" bytes";
        let rest = &shown[to..];
        if is_port {
            found.push(from..to);
        } else if rest.len() >= 5 && rest[..5].eq_ignore_ascii_case(&unit[..5]) {
            let plural = rest
                .get(5)
                .is_some_and(|byte| byte.eq_ignore_ascii_case(&b's'));
            found.push(from..to + 5 + usize::from(plural));
        }
        at = to;
    }
    found
}

/// A decimal number in a text.
#[derive(Clone, Copy, Debug)]
struct Number {
    begin: usize,
    end: usize,
    value: u8,
}

/// Reads a number up to 255 at the beginning of `text`.
fn number(text: &[u8], begin: usize) -> Option<Number> {
    let sign = usize::from(text.get(begin) == Some(&b'-'));
    let digits = text.get(begin + sign..)?;
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length == 0 || length > 3 {
        return None;
    }
    let value: u8 = std::str::from_utf8(&digits[..length]).ok()?.parse().ok()?;
    Some(Number {
        begin,
        end: begin + sign + length,
        // Some servers print octets as signed bytes.
        value: if sign > 0 {
            value.wrapping_neg()
        } else {
            value
        },
    })
}

/// Reads at least 6 numbers with commas between them, as in PORT and 227; `None` if there are fewer.
fn comma_numbers(text: &[u8]) -> Option<Vec<Number>> {
    let mut numbers = vec![number(text, 0)?];
    while numbers.len() < 21 {
        let end = numbers.last()?.end;
        if text.get(end) != Some(&b',') {
            break;
        }
        let blank = usize::from(text.get(end + 1) == Some(&b' '));
        let Some(next) = number(text, end + 1 + blank) else {
            break;
        };
        numbers.push(next);
    }
    (numbers.len() >= 6).then_some(numbers)
}

/// Reads four numbers with dots between them that are no part of a longer row.
fn dotted_numbers(text: &[u8]) -> Option<[Number; 4]> {
    let a = number(text, 0)?;
    let mut numbers = [a; 4];
    for index in 1..4 {
        let end = numbers[index - 1].end;
        if text.get(end) != Some(&b'.') {
            return None;
        }
        numbers[index] = number(text, end + 1)?;
    }
    let goes_on = match text[numbers[3].end..] {
        [b'.', next, ..] => next.is_ascii_digit(),
        [next, ..] => next.is_ascii_alphanumeric(),
        [] => false,
    };
    (!goes_on).then_some(numbers)
}

/// Writes an octet in place of a number: with leading zeros up to its width, as a signed byte if it was one and that fits.
fn padded(text: &[u8], at: usize, number: &Number, octet: u8) -> Vec<u8> {
    let width = number.end - number.begin;
    let signed = format!("{}", octet.cast_signed());
    if text.get(at + number.begin) == Some(&b'-') && signed.len() == width {
        signed.into_bytes()
    } else {
        format!("{octet:0width$}").into_bytes()
    }
}

/// Returns `new` in upper case where `old` has letters in upper case.
fn in_case_of(old: &[u8], new: &[u8]) -> Vec<u8> {
    if old.iter().any(u8::is_ascii_uppercase) {
        new.to_ascii_uppercase()
    } else {
        new.to_vec()
    }
}

/// Returns the code of a reply line; `None` if it begins with none.
fn reply_code(line: &[u8]) -> Option<[u8; 3]> {
    let code = line.first_chunk::<3>()?;
    let is_code = code.iter().all(u8::is_ascii_digit)
        && line
            .get(3)
            .is_none_or(|byte| matches!(byte, b' ' | b'-' | b'\r' | b'\n'));
    is_code.then_some(*code)
}

/// Returns where the text of a reply line begins.
pub(super) fn reply_text(line: &[u8]) -> usize {
    if reply_code(line).is_some() {
        line.len().min(4)
    } else {
        0
    }
}

/// Returns the place of the text between the first quotation mark and the last one of its kind.
fn quoted(line: &[u8]) -> Option<(usize, usize)> {
    let from = line.iter().position(|byte| *byte == b'"')? + 1;
    let to = line.iter().rposition(|byte| *byte == b'"')?;
    (from <= to).then_some((from, to))
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// Returns the name in `150 Opening BINARY mode data connection for NAME (1715 bytes)`, as most servers write it; `None` without
/// one. The command may be lost.
fn opened_name(line: &[u8]) -> Option<&[u8]> {
    if !(line.starts_with(b"150") || line.starts_with(b"125")) {
        return None;
    }
    let from = memchr::memmem::find(line, OPENED)? + OPENED.len();
    let name = line[from..].trim_ascii_end();
    let name = match memchr::memmem::rfind(name, b" (") {
        Some(size) => &name[..size],
        None => name.strip_suffix(b".").unwrap_or(name),
    };
    let lower = name.to_ascii_lowercase();
    let is_listing = LISTINGS
        .iter()
        .any(|word| memchr::memmem::find(&lower, word).is_some());
    (!is_listing).then_some(name)
}

/// Returns whether the text of a reply may name users and files, and says nothing else that is read: no address, no folder.
fn names_something(code: [u8; 3]) -> bool {
    matches!(&code, b"331" | b"332" | b"221" | b"226" | b"150" | b"125")
        || matches!(code[0], b'4' | b'5')
}

/// Hides the words of a reply behind its code that nothing has replaced, but for those that servers write in every session.
fn hide_words(text: &mut Text<'_>) {
    let line = text.old;
    let mut at = 4.min(line.len());
    while at < line.len() {
        let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
        let length = line[at..].iter().take_while(|byte| is_letter(byte)).count();
        let word = line[at..at + length].to_ascii_lowercase();
        if !COMMON_WORDS.contains(&word.as_slice()) {
            (at..at + length).for_each(|at| text.hide_free(at));
        }
        at += length.max(1);
    }
}

/// Words of replies that name nobody and nothing, in order.
const COMMON_WORDS: &[&[u8]] = &[
    b"a",
    b"about",
    b"aborted",
    b"accepted",
    b"again",
    b"already",
    b"and",
    b"anonymous",
    b"ascii",
    b"available",
    b"be",
    b"been",
    b"binary",
    b"bytes",
    b"cannot",
    b"closed",
    b"closing",
    b"command",
    b"complete",
    b"completed",
    b"connection",
    b"could",
    b"data",
    b"denied",
    b"directory",
    b"does",
    b"error",
    b"exist",
    b"failed",
    b"file",
    b"files",
    b"first",
    b"for",
    b"found",
    b"from",
    b"goodbye",
    b"here",
    b"in",
    b"incorrect",
    b"invalid",
    b"is",
    b"it",
    b"list",
    b"listing",
    b"login",
    b"mode",
    b"name",
    b"need",
    b"no",
    b"not",
    b"of",
    b"ok",
    b"okay",
    b"on",
    b"open",
    b"opening",
    b"or",
    b"password",
    b"permission",
    b"please",
    b"required",
    b"reset",
    b"send",
    b"sent",
    b"specify",
    b"starting",
    b"status",
    b"successful",
    b"successfully",
    b"such",
    b"the",
    b"to",
    b"transfer",
    b"transferred",
    b"unknown",
    b"user",
    b"username",
    b"using",
    b"was",
    b"with",
    b"your",
];

/// Words before the name of a file whose transfer begins.
const OPENED: &[u8] = b" connection for ";

/// Words in place of that name where it is a listing.
const LISTINGS: [&[u8]; 4] = [b"list", b"/bin/ls", b"mlsd", b"nlst"];

/// Returns the place of the path in an argument; `None` if there is none.
fn path_place(kind: ArgumentKind, verb: &[u8], argument: &[u8]) -> Option<(usize, usize)> {
    match kind {
        ArgumentKind::Path => Some(path_in(verb, argument)),
        ArgumentKind::Other if verb.eq_ignore_ascii_case(b"SITE") => path_in_site(argument),
        _ => None,
    }
}

/// Returns the place of the path in the argument of SITE, for the words that servers in use have: `CHMOD 644 file`,
/// `CPFR file`, `UTIME 20261120155301 file`, `UTIME file 20261120155301 20261120155301 20261120155301 UTC`.
fn path_in_site(argument: &[u8]) -> Option<(usize, usize)> {
    let mut words = words_of(argument, b' ').into_iter();
    let word = words.next()?;
    let from = words.next()?.start;
    match &*argument[word].to_ascii_uppercase() {
        b"CPFR" | b"CPTO" | b"MKDIR" | b"RMDIR" | b"SYMLINK" | b"RNFR" | b"RNTO" => {
            Some((from, argument.len()))
        }
        b"CHMOD" | b"CHGRP" => Some((words.next()?.start, argument.len())),
        b"UTIME" => {
            let is_time = argument[from..].iter().take(12).all(u8::is_ascii_digit);
            if is_time {
                return Some((words.next()?.start, argument.len()));
            }
            // Three times and the zone stand behind the name.
            let behind = words.nth_back(3)?;
            Some((from, behind.start - 1))
        }
        _ => None,
    }
}

/// Returns the place of the path in the argument of a command that takes one.
fn path_in(verb: &[u8], argument: &[u8]) -> (usize, usize) {
    let mut from = 0;
    let verb = verb.to_ascii_uppercase();
    if matches!(&*verb, b"LIST" | b"NLST" | b"STAT") {
        // Options as of ls.
        while argument[from..].starts_with(b"-") {
            let word = argument[from..].iter().position(|&byte| byte == b' ');
            from = word.map_or(argument.len(), |at| from + at + 1);
        }
    }
    if &*verb == b"PRET" {
        let word = argument.iter().position(|&byte| byte == b' ');
        from = word.map_or(argument.len(), |at| at + 1);
    }
    if matches!(&*verb, b"MFMT" | b"MFCT" | b"MDTM") {
        let digits = argument
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits >= 14 && argument.get(digits) == Some(&b' ') {
            from = digits + 1;
        }
    }
    if &*verb == b"MFF"
        && let Some(at) = memchr::memmem::rfind(argument, b"; ")
    {
        from = at + 2;
    }
    let mut to = argument.len();
    if argument[from..].starts_with(b"\"")
        && let Some(last) = argument[from + 1..].iter().rposition(|&byte| byte == b'"')
    {
        (from, to) = (from + 1, from + 1 + last);
    }
    (from, to)
}

/// Returns the places of the parts of a path that are replaced: not `.`, `..`, a drive, or nothing.
///
/// Blanks around a part stay: where columns of a listing end and a name begins, only its reader decides.
fn parts_of(path: &[u8]) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (end, byte) in path.iter().chain([&b'/']).enumerate() {
        if !matches!(byte, b'/' | b'\\') {
            continue;
        }
        let part = &path[begin..end];
        let is_drive = begin == 0 && part.len() == 2 && part[1] == b':';
        let text = part.trim_ascii();
        if !text.is_empty() && !matches!(text, b"." | b".." | b"~") && !is_drive {
            let lead = part.len() - part.trim_ascii_start().len();
            parts.push((begin + lead, begin + lead + text.len()));
        }
        begin = end + 1;
    }
    parts
}

/// Returns the place of the name in a line of a listing, by the form of the line; `None` for an unknown form.
pub(super) fn name_in_listing(line: &[u8]) -> Option<(usize, usize)> {
    let end = line.len();
    let lead = end - line.trim_ascii_start().len();
    // Facts, one blank, the name (RFC 3659 section 7.2).
    let facts = memchr::memchr(b' ', &line[lead..]).map(|at| lead + at);
    if let Some(blank) = facts
        && line[lead..blank].ends_with(b";")
        && line[lead..blank].contains(&b'=')
    {
        return Some((blank + 1, end));
    }
    let is_ls = matches!(
        line.get(lead),
        Some(b'-' | b'd' | b'l' | b'b' | b'c' | b'p' | b's')
    ) && line.len() > lead + 10
        && line[lead + 1..lead + 10]
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || *byte == b'-');
    if is_ls && let Some(at) = behind_date(line, lead) {
        return Some((at, end));
    }
    let is_dos = line.get(lead..lead + 3).is_some_and(|start| {
        start[..2].iter().all(u8::is_ascii_digit) && matches!(start[2], b'-' | b'/' | b'.')
    });
    if is_dos && let Some(at) = word_start(line, lead, 3) {
        return Some((at, end));
    }
    if line.starts_with(b"total ") && line[6..].iter().all(u8::is_ascii_digit) {
        return Some((end, end));
    }
    // A folder of a recursive listing.
    (line.starts_with(b".") && line.ends_with(b":")).then(|| (lead, end - 1))
}

/// Returns where the name of a line of `ls -l` begins: one blank behind the time or year, which follow month and day.
fn behind_date(line: &[u8], lead: usize) -> Option<usize> {
    for index in 3..8 {
        let at = word_start(line, lead, index)?;
        let word = line[at..].split(|&byte| byte == b' ').next()?;
        let next = at + word.len() + 1;
        let is_month =
            word.len() == 3 && MONTHS.iter().any(|month| word.eq_ignore_ascii_case(month));
        let is_day = |at: usize| {
            let word = line.get(at..)?.split(|&byte| byte == b' ').next()?;
            (!word.is_empty() && word.len() <= 2 && word.iter().all(u8::is_ascii_digit))
                .then_some(())
        };
        if is_month && is_day(word_start(line, at, 1)?).is_some() {
            let time = word_start(line, at, 2)?;
            let time_end = time + line[time..].iter().position(|&byte| byte == b' ')?;
            return Some(time_end + 1);
        }
        // An ISO date, and a time.
        let is_iso = word.len() == 10 && word[4] == b'-' && word[7] == b'-';
        if is_iso {
            let time = word_start(line, next - 1, 1).filter(|_| next <= line.len())?;
            let time = if line[next - 1..].first() == Some(&b' ') {
                next
            } else {
                time
            };
            let time_end = time + line[time..].iter().position(|&byte| byte == b' ')?;
            return Some(time_end + 1);
        }
    }
    // Another language: the ninth word.
    word_start(line, lead, 8)
}

/// Returns where the word number `count` behind the one at `from` begins.
fn word_start(line: &[u8], from: usize, count: usize) -> Option<usize> {
    let mut at = from;
    for _ in 0..count {
        at += line[at..].iter().position(|&byte| byte == b' ')?;
        at += line[at..].iter().position(|&byte| byte != b' ')?;
    }
    Some(at)
}

/// Returns whether each word of what is hidden from `secret` on is a secret of its own: behind SITE stand an old and a new
/// password. The argument of PASS, ACCT or ADAT is one secret, and so is a line that is not known.
fn has_words(kind: ArgumentKind, secret: usize, places: CommandPlaces) -> bool {
    kind != ArgumentKind::Secret && secret > places.verb
}

/// Returns the end of what is hidden in `line[from..to]`: before the version of HTTP, which shows that a browser called. Without it,
/// the method would be hidden as well.
fn without_version(line: &[u8], from: usize, to: usize) -> usize {
    let version = memchr::memmem::rfind(&line[from..to], b" HTTP/");
    version.map_or(to, |at| from + at)
}

/// Returns the users in the argument of USER: all of it, and what stands before the host of a proxy's form.
fn users_of(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    let user = argument.trim_ascii();
    let before = user
        .iter()
        .position(|&byte| byte == b'@')
        .map(|at| &user[..at]);
    [Some(user), before]
        .into_iter()
        .flatten()
        .filter(|user| !user.is_empty() && !is_public_user(user))
}

/// Returns whether a user is one of those that everybody may be.
fn is_public_user(user: &[u8]) -> bool {
    user.eq_ignore_ascii_case(b"anonymous") || user.eq_ignore_ascii_case(b"ftp")
}

/// Returns the places of the passwords in each `user:pass@host` of a text.
fn passwords_in(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    if memchr::memchr(b'@', text).is_none() {
        return found;
    }
    let mut begin = 0;
    for word in text.split(|byte| *byte <= b' ') {
        let scheme = memchr::memmem::find(word, b"://").map_or(0, |at| at + 3);
        let colon = word[scheme..].iter().position(|&byte| byte == b':');
        let sign = word.iter().rposition(|&byte| byte == b'@');
        if let (Some(colon), Some(sign)) = (colon, sign)
            && scheme + colon + 1 < sign
        {
            found.push((begin + scheme + colon + 1, begin + sign));
        }
        begin += word.len() + 1;
    }
    found
}

/// Length of the shortest password or name of which copies are replaced.
const SHORTEST: usize = 4;
/// Length of the name of the field with a proxy's credentials.
const PROXY_AUTHORIZATION: usize = 20;
/// First bytes of a TLS stream in which names are looked for: the hellos are there.
const HELLO: usize = 64 << 10;
const IAC: u8 = 255;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Letter in place of `x` where so many of them would be a password.
const OTHER_MASK: u8 = b'y';
/// Entries of a listing that are looked at.
const ENTRIES: usize = 200_000;

/// Length in bytes from which the report cuts a line.
const LONG_LINE: usize = 5000;

/// Words of the headings of listings: VMS, MVS, Guardian, OS-9, `VxWorks`, `dir`.
const HEADING_WORDS: &[&[u8]] = &[
    b"attributes",
    b"block",
    b"blksz",
    b"bytes",
    b"changed",
    b"code",
    b"created",
    b"date",
    b"directories",
    b"directory",
    b"dirs",
    b"drive",
    b"dsname",
    b"dsorg",
    b"eof",
    b"ext",
    b"file",
    b"files",
    b"free",
    b"grand",
    b"has",
    b"id",
    b"in",
    b"init",
    b"is",
    b"jobid",
    b"jobname",
    b"last",
    b"lrecl",
    b"mod",
    b"modification",
    b"modified",
    b"name",
    b"number",
    b"of",
    b"owner",
    b"recfm",
    b"referred",
    b"rwep",
    b"sector",
    b"serial",
    b"size",
    b"status",
    b"time",
    b"total",
    b"ttr",
    b"unit",
    b"used",
    b"volume",
    b"vv.mm",
    b"class",
    b"blocks",
    b"bytecount",
    b"alias-of",
    b"am",
    b"rm",
    b"attr",
    b"amode",
    b"rmode",
    b"ac",
    b"---------",
];

/// Replies whose text describes the server.
const BANNERS: &[&[u8; 3]] = &[b"220", b"230", b"211", b"214", b"215"];
const MONTHS: &[&[u8]] = &[
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
