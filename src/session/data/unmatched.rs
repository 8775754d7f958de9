//! Data connections that no command used.

use crate::model::record::{Completeness, EncryptedContent, UnmatchedData};
use crate::model::{Direction, EventKind, Settled};
use crate::session::data::content::Content;
use crate::session::data::data_channel::DataChannel;
use crate::session::shared::Shared;

/// Reports a data connection that no command used, unless it carried nothing.
pub(crate) fn emit_unmatched(shared: &mut Shared<'_>, channel: &mut DataChannel) {
    let way = channel.heavier_way();
    // Only one direction of a data connection is a file.
    channel.discard(way.reverse(), shared.files);
    // Its transfer was reported before the connection closed.
    if channel.is_settled() {
        return;
    }
    if !channel.was_open() || channel.is_bare_rest() {
        channel.discard(way, shared.files);
        return;
    }
    let content = settle(shared, channel, way);
    let record = UnmatchedData {
        session: channel.announcer(),
        connection: channel.record(way, shared.has_several_captures()),
        bytes: content.bytes,
        completeness: content.completeness,
        sha256: content.sha256,
        md5: content.md5,
        sha1: content.sha1,
        media_type: content.media_type,
        saved_as: content.saved_as,
    };
    shared.emit(record.session, EventKind::UnmatchedData(&record));
}

/// Completes the content that a closed connection carried in `way`: nobody knows its name.
pub(crate) fn settle(
    shared: &mut Shared<'_>,
    channel: &mut DataChannel,
    way: Direction,
) -> EncryptedContent {
    // A listing's bytes are no file, until its command proves to belong to another connection.
    channel.complete_file(way, shared.files);
    let content = channel.content(way);
    let gaps = content.is_some_and(|content| content.missing > 0);
    let completeness = if gaps {
        Completeness::Gaps
    } else if channel.summary().sent(way).finished {
        Completeness::Unverifiable
    } else {
        Completeness::Truncated
    };
    // A digest of bytes with gaps matches no file.
    let digests = content.filter(|_| !gaps).map(Content::digests);
    let mut record = EncryptedContent {
        bytes: content.map_or(0, |content| content.bytes),
        missing_bytes: content.map_or(0, |content| content.missing),
        missing_ranges: content.map_or_else(Vec::new, |content| content.gaps.clone()),
        missing_ranges_omitted: content.map_or(0, |content| content.gaps_omitted),
        completeness,
        sha256: digests.as_ref().and_then(|digests| digests.sha256.clone()),
        md5: digests.as_ref().and_then(|digests| digests.md5.clone()),
        sha1: digests.as_ref().and_then(|digests| digests.sha1.clone()),
        media_type: content.and_then(Content::media_type),
        saved_as: None,
    };
    if let Some(content) = content.filter(|content| content.is_stored()) {
        let settled = Settled {
            session: None,
            transfer: None,
            client: channel.client(),
            server: channel.server(),
            first_frame: channel.summary().first.number,
            first_place: shared.capture_frame(channel.summary().first),
            user: None,
            verb: "",
            path: None,
            argument: None,
            shown: None,
            completeness,
            bytes: content.bytes,
            missing_ranges: &content.gaps,
            restart_offset: 0,
            plain: false,
            told_size: None,
            length: content.length,
            sha256: record.sha256.as_deref(),
            md5: record.md5.as_deref(),
            sha1: record.sha1.as_deref(),
            media_type: record.media_type.as_deref(),
            decoded: None,
            start: channel.summary().first.time,
            end: channel.summary().last.time,
        };
        match shared.files.settle(content.id, &settled) {
            Ok(stored) => record.saved_as = stored.saved_as,
            Err(error) => shared.warn_unsaved(error),
        }
    }
    record
}
