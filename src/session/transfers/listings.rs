//! Listings: the text of a data connection, or of a reply to STAT or MLST, becomes entries.

use crate::model::record::{EntryKind, ListingEntry, Transfer, TransferMode};
use crate::model::{FrameRef, Timestamp, WarningCode};
use crate::protocol::ftp::listing::{Extent, Listing, ListingKind, parse_listing};
use crate::protocol::ftp::{ParsedReply, Verb, facts, path};
use crate::session::data::content::Content;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;
use crate::session::transfers::facts::Facts;
use crate::session::transfers::transfer_state::TransferState;

impl Session {
    /// The entries of a listing that is over.
    pub(crate) fn read_listing(
        &mut self,
        shared: &mut Shared<'_>,
        state: &TransferState,
        transfer: &mut Transfer,
        content: Option<&Content>,
        facts: &Facts,
    ) {
        let Some(content) = content else { return };
        if transfer.transfer_mode != TransferMode::Stream && transfer.decoded.is_none() {
            return;
        }
        let kind = match state.verb {
            Verb::Nlst => ListingKind::Names,
            Verb::Mlsd => ListingKind::Facts,
            _ => ListingKind::List,
        };
        let captured = transfer
            .connection
            .as_ref()
            .map_or(shared.now.time, |connection| connection.end);
        let ended = facts.sender_fin.is_some()
            && facts.answer.as_ref().is_none_or(|(code, ..)| *code < 400)
            && transfer
                .decoded
                .as_ref()
                .is_none_or(|decoded| decoded.whole);
        let most = shared.options.limits.listing_entries;
        let Some(listing) = self.parse(content, kind, captured, facts.start_known, ended, most)
        else {
            return;
        };
        if content.text_cut || listing.omitted > 0 {
            shared.warn(WarningCode::LimitReached, TOO_LONG);
        }
        transfer.entries = listing.entries;
        transfer.entries_omitted = listing.omitted;
        transfer.cut_lines = listing.cut_lines;
        transfer.cut_lines_omitted = listing.cut_lines_omitted;
        // The names of an NLST tell nothing of their files.
        if state.verb != Verb::Nlst
            && let Some(listed) = &state.path
        {
            let frame = transfer
                .connection
                .as_ref()
                .map_or(0, |connection| connection.first_frame);
            self.remember_listed(listed, &transfer.entries, frame);
        }
    }

    /// A positive reply to STAT with a path: a listing on the control connection (RFC 959 section 4.1.3).
    pub(crate) fn status_told(
        &mut self,
        shared: &mut Shared<'_>,
        sequence: u64,
        argument: &[u8],
        reply: &ParsedReply,
        arrived: FrameRef,
    ) {
        let mut text = Vec::new();
        for line in &reply.lines {
            text.extend_from_slice(&self.secrets.clean(line));
            text.push(b'\n');
        }
        let most = shared.options.limits.listing_entries;
        let listing = parse_listing(
            &text,
            ListingKind::Status,
            arrived.time,
            Extent::WHOLE,
            most,
        );
        if listing.omitted > 0 {
            shared.warn(WarningCode::LimitReached, TOO_LONG);
        }
        let directory = self.directory.as_deref();
        if let Some(listed) = path::resolve(directory, path::listing_argument(argument)) {
            self.remember_listed(&listed, &listing.entries, arrived.number);
        }
        self.steps
            .listed(sequence, listing.entries, listing.omitted);
    }

    /// A positive reply to MLST: facts and a name on a line that begins with a space (RFC 3659 section 7.2).
    pub(crate) fn facts_told(&mut self, sequence: u64, reply: &ParsedReply) {
        let entries = reply
            .lines
            .iter()
            .filter_map(|line| facts::parse_entry(&self.secrets.clean(line.strip_prefix(b" ")?)))
            .filter(tells_facts)
            .collect();
        self.steps.listed(sequence, entries, 0);
    }

    fn parse(
        &self,
        content: &Content,
        kind: ListingKind,
        captured: Timestamp,
        from_start: bool,
        ended: bool,
        most: usize,
    ) -> Option<Listing> {
        let (text, breaks) = content.text()?;
        let to_end = ended && !content.text_cut && breaks.last() != Some(&text.len());
        if breaks.is_empty() {
            let extent = Extent {
                from_start,
                holes: &[],
                to_end,
            };
            let text = self.secrets.clean(text);
            return Some(parse_listing(&text, kind, captured, extent, most));
        }
        // Where secrets are taken out the places of the holes move.
        let (mut clean, mut holes) = (Vec::new(), Vec::new());
        let mut from = 0;
        for &at in breaks {
            let piece = text.get(from..at).unwrap_or_default();
            clean.extend_from_slice(&self.secrets.clean(piece));
            holes.push(clean.len());
            from = at;
        }
        let rest = text.get(from..).unwrap_or_default();
        clean.extend_from_slice(&self.secrets.clean(rest));
        let extent = Extent {
            from_start,
            holes: &holes,
            to_end,
        };
        Some(parse_listing(&clean, kind, captured, extent, most))
    }
}

/// Any text with a space before a name would do for an entry; one that a server made has a fact in it.
fn tells_facts(entry: &ListingEntry) -> bool {
    entry.kind != EntryKind::Other || entry.raw.split(' ').next().unwrap_or("").contains('=')
}

const TOO_LONG: &str =
    "a listing is longer than what is kept of one; the rest of its entries were left out";
