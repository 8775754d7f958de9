//! Plain data that every layer shares, and the words that the code uses.
//!
//! Nothing here depends on another layer.
//!
//! ```text
//! packets and places   time, frame, endpoint      small Copy values
//! results              record/*                   the JSON report, in pieces
//! session -> sinks     event                      facts for reports; bytes for the extractor
//! segments one by one  trace                      for diagrams, only if requested
//! text                 wire_text                  bytes from the wire, numbers and digests, for people
//! limits               limits                     every limit in one struct
//! ```
//!
//! The records have the field names of the JSON report and can be read back from it.
//!
//! # Words
//!
//! One word stands for one idea in names, docs, comments and messages of the whole crate. Words of RFC 959 and of the
//! trade come first; the table fixes the others. A new idea gets a line here.
//!
//! | idea | word |
//! | --- | --- |
//! | a fact leaves the session layer as an event | emit |
//! | a fact appears in the report or another output | report, write |
//! | a parser or heuristic reaches a conclusion | detect, recognize, classify |
//! | two cases are kept apart | distinguish |
//! | a value is taken from a line or reply | parse, extract, learn |
//! | bytes that arrived out of order and are not delivered yet | held |
//! | a command without its final reply so far | pending |
//! | a reply without a command in the capture | unsolicited |
//! | a reply kept until its command is certain | deferred |
//! | bytes that are not captured but may still arrive | hole |
//! | bytes that are not in the capture | gap (`missing_bytes`, `missing_ranges`) |
//! | a bound on memory, counts or time | limit; quota of one owner; budget shared by many |
//! | an entry removed to respect a limit | evict |
//! | an entry removed because its time is over | expire |
//! | items beyond a limit, which are only counted | omitted (`_omitted`) |
//! | sessions and events excluded by the user | filtered |
//! | PORT, PASV, EPRT, EPSV, LPRT or LPSV with its reply | negotiation |
//! | an announced end point whose connection has not arrived | expectation |
//! | a data connection and its transfer belong together | bind, binding (`link`) |
//! | a connection that is not FTP | unrelated |
//! | a connection that may turn out to be FTP | candidate |
//! | properties that commands set on the server: directory, TYPE, REST, ... | server state |
//! | their return to the defaults (REIN, a new USER) | reset |
//! | the action that a person would name; its line of text | step; title |
//! | whether all bytes of a file were captured and confirmed | completeness |
//! | the sentences that justify a completeness | evidence |
//! | completeness decided, no more bytes expected | settled |
//! | a record changed after its event | amended |
//! | text kept in memory or a temporary file until it is written | spool |
//! | a file that consists of the parts of several transfers | assembled |
//! | the file behind MODE, STRU and TYPE | decoded |
//! | characters that move the cursor, reorder text or are invisible | hostile |
//! | the same packet captured twice | copy (of the capture), not retransmission |
//! | a place on a server that holds files | directory |
//! | estimated memory of a value | weight |

mod endpoint;
mod event;
mod frame;
mod limits;
pub mod record;
pub mod streams;
mod time;
pub mod trace;
pub mod wire_text;

pub use endpoint::{Direction, Endpoint, FlowKey, HostPair};
pub use event::{
    ContentId, Event, EventKind, EventSink, KeptEvent, Settled, StoreError, Stored, TransferSink,
    Warning, WarningCode,
};
pub use frame::{CapturePlace, CaptureSpans, FrameRef, PlaceIndex, split_at_frames};
pub use limits::Limits;
pub(crate) use time::instant_in;
pub use time::{Span, Timestamp};
pub use wire_text::{grouped, hex, system_message};
