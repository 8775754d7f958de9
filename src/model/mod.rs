//! Plain data that every layer shares.
//!
//! Nothing here depends on another layer. Several kinds of things live in this folder:
//!
//! ```text
//! where and when      time, frame, endpoint          small Copy values
//! what was found      record/*, warning, event       what leaves the session layer, ready to be serialised
//! packet by packet    trace                          what diagrams need beside it, only where it is asked for
//! as text             wire_text, hex                bytes of strangers and digests, for people
//! how far we go       limits                         every bound in one struct
//! ```
//!
//! The records carry the field names of the JSON report: they are the report, in pieces.

mod endpoint;
mod event;
mod frame;
mod grouped;
mod hex;
mod kept_event;
mod limits;
pub mod record;
mod system_message;
mod time;
pub mod trace;
mod warning;
pub mod wire_text;

pub use endpoint::{Direction, Endpoint, FlowKey, HostPair};
pub use event::{
    ContentId, Event, EventKind, EventSink, Settled, StoreError, Stored, TransferSink,
};
pub use frame::{CapturePlace, FrameRef};
pub use grouped::grouped;
pub use hex::hex;
pub use kept_event::KeptEvent;
pub use limits::Limits;
pub use system_message::system_message;
pub use time::{Span, Timestamp};
pub use warning::{Warning, WarningCode};
