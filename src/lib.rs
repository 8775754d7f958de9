//! FTP sessions, transfers and files from packet captures.
//!
//! The transfers of a capture:
//!
//! ```
//! let report = ftpscope::analyze("testdata/captures/classic.pcap")?;
//! for session in &report.sessions {
//!     for transfer in &session.transfers {
//!         let name = transfer.name.as_deref().unwrap_or("-");
//!         println!("{} {name}: {} bytes, {:?}", transfer.verb, transfer.bytes, transfer.completeness);
//!     }
//! }
//! assert_eq!(report.totals.transfers, 2);
//! # Ok::<(), ftpscope::Error>(())
//! ```
//!
//! Events as they happen, in bounded memory:
//!
//! ```
//! use ftpscope::{Analysis, EventKind};
//!
//! let summary = Analysis::of("testdata/captures/classic.pcap").events(|event| {
//!     if let EventKind::Finding(finding) = &event.kind {
//!         println!("frame {}: {}", event.frame.number, finding.title);
//!     }
//! })?;
//! assert_eq!(summary.totals.sessions, 1);
//! # Ok::<(), ftpscope::Error>(())
//! ```
//!
//! The transferred files, saved below a folder:
//!
//! ```
//! use ftpscope::Analysis;
//!
//! let folder = std::env::temp_dir().join(format!("ftpscope-example-{}", std::process::id()));
//! let report = Analysis::of("testdata/captures/classic.pcap").extract_to(&folder)?;
//! let saved = report.sessions[0].transfers[1].saved_as.as_ref().expect("readme.txt is complete");
//! assert_eq!(std::fs::metadata(folder.join(saved))?.len(), 1_715);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Beyond these, [`pipeline::analyze`] takes any [`capture::PacketSource`] and any sinks, [`report`] writes formats,
//! [`check`] compares a report with expectations, [`keep`] writes packets, and [`monitor`] runs for weeks on a network.
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `cli` | yes | the program and `report::table`; not needed by a library user |
//! | `browse` | yes | [`browse`]: reports looked through in the terminal; includes `cli` |
//! | `parquet` | yes | tables in Parquet files |
//! | `live` | yes | capture from interfaces, filters and dropping of privileges; needs libpcap |
//!
//! # Layers
//!
//! Data flows one way, through one folder per layer. [`guide`] explains the way in detail.
//!
//! ```text
//! model <- capture <- decode <- reassembly <- session <- pipeline <- monitor <- cli
//! model <- protocol <- diagnosis <-----------/           ^           ^          ^
//! model <- capture <- keep ------------------------------+           |          |
//! model <- extract --------------------------------------------------+          |
//! model <- diagnosis <- report <- check -----------------------------+          |
//!                       report <- diagram <- page ------------------------------+
//!             report, check, diagram <- browse ---------------------------------+
//!    capture, report, check <- reconcile --------------------------------------+
//! ```
//!
//! `tests/layering.rs` compares the imports with this picture.

mod analysis;
#[cfg(feature = "browse")]
pub mod browse;
pub mod capture;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod decode;
pub mod diagnosis;
pub mod diagram;
pub mod extract;
pub mod guide;
pub mod keep;
pub mod model;
pub mod monitor;
pub mod page;
pub mod pipeline;
pub mod protocol;
pub mod reassembly;
pub mod reconcile;
pub mod report;
#[cfg(test)]
mod scratch_folder;
pub mod session;

pub use analysis::{Analysis, Error, analyze};
pub use model::record::{Session, Transfer};
pub use model::{Event, EventKind};
pub use pipeline::{Options, Summary};
pub use report::Report;
