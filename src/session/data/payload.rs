//! Payload of a data connection in both directions: digested, decoded and saved as the claiming command requires.

use crate::model::record::DataType;
use crate::model::{Direction, TransferSink};
use crate::protocol::ftp::representation::Coding;
use crate::session::data::content::Content;
use crate::session::data::content_sink::ContentSink;
use crate::session::data::decoding::Decoding;

/// Purpose of the bytes, as far as it is known while they pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// No command has claimed the connection yet.
    #[default]
    Unknown,
    /// A listing: its text is kept, and not saved as a file.
    Listing,
    /// A file sent in this direction.
    File(Direction),
}

/// Bytes of both directions, and their purpose.
#[derive(Default)]
pub(crate) struct Payload {
    purpose: Purpose,
    /// Bytes as sent, by [`Direction::index`]; `None` for a direction without a byte or gap.
    contents: [Option<Box<Content>>; 2],
    /// Decoder for the bytes of one direction; `None` if the bytes are the file.
    decoding: Option<(Direction, Box<Decoding>)>,
    /// Direction of a TYPE A file, whose line ends are counted; `None` for any other payload.
    text_way: Option<Direction>,
    /// The transfer has been reported: bytes that still arrive are ignored.
    settled: bool,
}

/// Destination of written bytes, which depends on the purpose.
#[derive(Clone, Copy)]
struct Keeping {
    /// Bound in bytes of the text kept for parsing as a listing, 0 for a file.
    text_limit: usize,
    save: bool,
}

impl Payload {
    /// Drops the bytes and ignores further ones.
    pub(super) fn settle(&mut self) {
        self.contents = [None, None];
        self.decoding = None;
        self.settled = true;
    }

    /// Returns whether further bytes are ignored.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns whether there is neither a byte nor a gap.
    pub(super) fn is_empty(&self) -> bool {
        self.contents.iter().all(Option::is_none)
    }

    /// Returns whether there is a byte in either direction.
    pub(super) fn has_bytes(&self) -> bool {
        self.contents
            .iter()
            .flatten()
            .any(|content| content.bytes > 0)
    }

    /// Returns the length of each direction in bytes with gaps included, by [`Direction::index`].
    pub(super) fn lengths(&self) -> [u64; 2] {
        let length = |content: &Option<Box<Content>>| content.as_ref().map_or(0, |it| it.length);
        [length(&self.contents[0]), length(&self.contents[1])]
    }

    /// Returns the bytes sent in this direction; `None` if there is neither a byte nor a gap.
    pub(super) fn content(&self, direction: Direction) -> Option<&Content> {
        self.contents[direction.index()].as_deref()
    }

    /// Returns the file that the bytes of this direction encode; `None` if the bytes are the file.
    pub(super) fn decoded(&self, direction: Direction) -> Option<&Decoding> {
        let (way, decoding) = self.decoding.as_ref()?;
        (*way == direction && decoding.applies()).then_some(&**decoding)
    }

    /// Appends bytes; `offset` counts from the beginning of the file.
    pub(super) fn write(
        &mut self,
        direction: Direction,
        offset: u64,
        bytes: &[u8],
        sink: &mut ContentSink<'_>,
    ) {
        let text_limit = match self.purpose {
            // It may prove to be a listing, whose text must not be lost by then.
            Purpose::Unknown => UNCLAIMED_TEXT,
            Purpose::Listing => sink.options.limits.listing_bytes,
            Purpose::File(_) => 0,
        };
        let save = match self.purpose {
            // Saved until a command shows that they are a listing; then they are discarded.
            Purpose::Unknown => true,
            Purpose::Listing => false,
            // What the other side sends is no part of the file: TLS records, or a protocol error.
            Purpose::File(way) => way == direction,
        };
        let content = self.content_mut(direction, sink);
        content.write(offset, bytes, text_limit);
        content.store(offset, bytes, save, sink.files);
        if let Some((way, decoding)) = &mut self.decoding
            && *way == direction
        {
            let raw = self.contents[direction.index()].as_deref();
            decoding.push(bytes, raw, text_limit, save, sink);
        }
    }

    /// Records `length` bytes from `offset` on that are not in the capture.
    pub(super) fn gap(
        &mut self,
        direction: Direction,
        offset: u64,
        length: u64,
        sink: &mut ContentSink<'_>,
    ) {
        self.content_mut(direction, sink).gap(offset, length);
        if let Some((way, decoding)) = &mut self.decoding
            && *way == direction
        {
            decoding.stop("bytes are missing");
        }
    }

    /// Applies the purpose and encoding of the transfer command; bytes that came before it are decoded as well.
    pub(super) fn claim(
        &mut self,
        purpose: Purpose,
        client_way: Direction,
        coding: Coding,
        mut sink: ContentSink<'_>,
    ) {
        self.purpose = purpose;
        if let Purpose::File(way) = purpose
            && let Some(content) = &mut self.contents[way.index()]
        {
            // It was taken for a listing before.
            content.complete_file(sink.files);
        }
        if self.decoding.is_some() || self.settled {
            return;
        }
        let way = match purpose {
            Purpose::File(way) => way,
            Purpose::Listing => client_way.reverse(),
            Purpose::Unknown => return,
        };
        let is_file = purpose == Purpose::File(way);
        if is_file && coding.data_type == DataType::Ascii {
            self.text_way = Some(way);
            if let Some(content) = &mut self.contents[way.index()] {
                content.count_line_ends();
            }
        }
        let Some(mut decoding) = Decoding::new(coding, is_file, &mut sink) else {
            return;
        };
        if let Some(content) = self.content(way).filter(|content| content.length > 0) {
            match content.text() {
                // Data may overtake its command, on a second interface or behind a hole of the control connection.
                Some((text, _)) if text.len() as u64 == content.length => {
                    let Keeping { text_limit, save } = self.keeping(&sink);
                    decoding.push(text, Some(content), text_limit, save, &mut sink);
                }
                _ => decoding.stop("bytes that came before the command were not kept"),
            }
        }
        self.decoding = Some((way, Box::new(decoding)));
    }

    /// Discards a decoding whose representation proved wrong, or stops it if bytes were decoded already.
    pub(super) fn reset_decoding(&mut self) {
        if let Some((_, decoding)) = &mut self.decoding {
            // Decoded bytes may be on disk already, and those before them cannot be decoded again.
            if decoding.content.length == 0 {
                self.decoding = None;
            } else {
                decoding.stop("the type of the transfer was not known when it began");
            }
        }
    }

    /// Writes bytes that were taken for a listing to their file, if they were kept.
    pub(super) fn complete_file(&mut self, direction: Direction, files: &mut dyn TransferSink) {
        if let Some(content) = &mut self.contents[direction.index()] {
            content.complete_file(files);
        }
    }

    /// Completes the decoding: no more bytes follow.
    pub(super) fn finish_decoding(&mut self, mut sink: ContentSink<'_>) {
        let Keeping { text_limit, save } = self.keeping(&sink);
        if let Some((way, decoding)) = &mut self.decoding {
            let raw = self.contents[way.index()].as_deref();
            decoding.finish(raw, text_limit, save, &mut sink);
        }
    }

    /// Discards the saved bytes of a direction.
    pub(super) fn discard(&self, direction: Direction, files: &mut dyn TransferSink) {
        if let Some(content) = self.content(direction)
            && content.is_stored()
        {
            files.discard(content.id);
        }
        if let Some(decoding) = self.decoded(direction)
            && decoding.content.is_stored()
        {
            files.discard(decoding.content.id);
        }
    }

    /// Returns the destination of decoded bytes.
    fn keeping(&self, sink: &ContentSink<'_>) -> Keeping {
        let (text_limit, save) = match self.purpose {
            Purpose::Listing => {
                let sent = self.contents.iter().flatten().map(|content| content.bytes);
                let sent = usize::try_from(sent.sum::<u64>()).unwrap_or(usize::MAX);
                // A few bytes of MODE Z may stand for megabytes of listing, whose entries are larger still.
                let inflated = UNCLAIMED_TEXT.saturating_add(sent.saturating_mul(INFLATION));
                (sink.options.limits.listing_bytes.min(inflated), false)
            }
            Purpose::File(_) => (0, true),
            Purpose::Unknown => (0, false),
        };
        Keeping { text_limit, save }
    }

    fn content_mut(&mut self, direction: Direction, sink: &mut ContentSink<'_>) -> &mut Content {
        let counts_line_ends = self.text_way == Some(direction);
        self.contents[direction.index()].get_or_insert_with(|| {
            let mut content = sink.new_content();
            if counts_line_ends {
                content.count_line_ends();
            }
            Box::new(content)
        })
    }
}

/// Bytes of listing that are kept for each byte that was sent. Real listings deflate to a tenth of their size.
const INFLATION: usize = 64;

/// Bound in bytes of the text kept before a command has claimed the connection.
const UNCLAIMED_TEXT: usize = 64 << 10;
