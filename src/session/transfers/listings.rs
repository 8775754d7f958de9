//! Listings: the text of a data connection, or of a reply to STAT or MLST, becomes entries.

use super::facts::Facts;
use super::transfer_state::TransferState;
use crate::model::record::{ListingEntry, Transfer, TransferMode};
use crate::model::{FrameRef, Timestamp, WarningCode};
use crate::protocol::ftp::listing::{Extent, Listing, ListingKind, parse_listing};
use crate::protocol::ftp::{ParsedReply, Verb, facts};
use crate::session::data::content::Content;
use crate::session::secrets::Secrets;
use crate::session::shared::Shared;

/// Parses the entries of a listing that is over into its record. Returns whether there was anything to parse.
pub(super) fn read_listing(
    shared: &mut Shared<'_>,
    secrets: &Secrets,
    state: &TransferState,
    transfer: &mut Transfer,
    content: Option<&Content>,
    facts: &Facts,
) -> bool {
    let Some(content) = content else { return false };
    let decoded = transfer.decoded.as_ref();
    if transfer.transfer_mode != TransferMode::Stream && decoded.is_none() {
        return false;
    }
    let text = ListingText {
        kind: match state.verb {
            Verb::Nlst => ListingKind::Names,
            Verb::Mlsd => ListingKind::Facts,
            _ => ListingKind::List,
        },
        captured: transfer
            .connection
            .as_ref()
            .map_or(shared.now().time, |connection| connection.end),
        from_start: facts.start_known,
        ended: facts.ends.sender_fin.is_some()
            && !state.is_refused()
            && decoded.is_none_or(|decoded| decoded.whole),
        most: shared.options.limits.listing_entries,
    };
    let Some(listing) = text.parse(content, secrets) else {
        return false;
    };
    if content.is_text_cut() || listing.omitted > 0 {
        shared.warn(WarningCode::LimitReached, TOO_LONG);
    }
    transfer.entries = listing.entries;
    transfer.entries_omitted = listing.omitted;
    transfer.cut_lines = listing.cut_lines;
    transfer.cut_lines_omitted = listing.cut_lines_omitted;
    true
}

/// Parses a positive reply to STAT with a path: a listing on the control connection (RFC 959 section 4.1.3). Returns its
/// entries, and how many were left out.
pub(crate) fn status_listing(
    shared: &mut Shared<'_>,
    secrets: &Secrets,
    reply: &ParsedReply,
    arrived: FrameRef,
) -> (Vec<ListingEntry>, u64) {
    let mut text = Vec::new();
    for line in &reply.lines {
        text.extend_from_slice(&secrets.clean_name(line));
        text.push(b'\n');
    }
    let listing = parse_listing(
        &text,
        ListingKind::Status,
        arrived.time,
        Extent::WHOLE,
        shared.options.limits.listing_entries,
    );
    if listing.omitted > 0 {
        shared.warn(WarningCode::LimitReached, TOO_LONG);
    }
    (listing.entries, listing.omitted)
}

/// Parses a positive reply to MLST: facts and a name on a line of their own (RFC 3659 section 7.2).
pub(crate) fn mlst_entries(secrets: &Secrets, reply: &ParsedReply) -> Vec<ListingEntry> {
    reply
        .lines
        .iter()
        .filter_map(|line| facts::parse_reply_line(&secrets.clean_name(line)))
        .collect()
}

/// Circumstances of a listing on a data connection.
struct ListingText {
    kind: ListingKind,
    /// Time of its end, from which entries without a year are dated.
    captured: Timestamp,
    from_start: bool,
    ended: bool,
    /// Entries to keep at most.
    most: usize,
}

impl ListingText {
    /// Parses the text that `content` kept; `None` if it kept none.
    fn parse(&self, content: &Content, secrets: &Secrets) -> Option<Listing> {
        let (text, breaks) = content.text()?;
        let to_end = self.ended && !content.is_text_cut() && breaks.last() != Some(&text.len());
        let parse = |text: &[u8], holes: &[usize]| {
            let extent = Extent {
                from_start: self.from_start,
                holes,
                to_end,
            };
            parse_listing(text, self.kind, self.captured, extent, self.most)
        };
        if breaks.is_empty() {
            return Some(parse(&secrets.clean_name(text), &[]));
        }
        // Hiding a secret moves the holes behind it, so each piece between two holes is cleaned on its own.
        let (mut clean, mut holes) = (Vec::new(), Vec::new());
        let mut from = 0;
        for &at in breaks {
            let piece = text.get(from..at).unwrap_or_default();
            clean.extend_from_slice(&secrets.clean_name(piece));
            holes.push(clean.len());
            from = at;
        }
        let rest = text.get(from..).unwrap_or_default();
        clean.extend_from_slice(&secrets.clean_name(rest));
        Some(parse(&clean, &holes))
    }
}

const TOO_LONG: &str =
    "a listing is longer than what is kept of one; the rest of its entries were left out";
