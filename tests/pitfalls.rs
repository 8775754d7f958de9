//! Eighty-eight places where analysers of FTP go wrong, each with a test named for it (`pitfall_07_...`): a capture
//! made by hand, the whole program, and what its report must say.

mod support;

#[path = "pitfalls/capture.rs"]
mod capture;
#[path = "pitfalls/capture_around.rs"]
mod capture_around;
#[path = "pitfalls/capture_holes.rs"]
mod capture_holes;
#[path = "pitfalls/content.rs"]
mod content;
#[path = "pitfalls/control.rs"]
mod control;
#[path = "pitfalls/control_pairing.rs"]
mod control_pairing;
#[path = "pitfalls/control_security.rs"]
mod control_security;
#[path = "pitfalls/control_state.rs"]
mod control_state;
#[path = "pitfalls/data.rs"]
mod data;
#[path = "pitfalls/listing_forms.rs"]
mod listing_forms;
#[path = "pitfalls/listings.rs"]
mod listings;
#[path = "pitfalls/lost_lines.rs"]
mod lost_lines;
#[path = "pitfalls/names.rs"]
mod names;
#[path = "pitfalls/representation.rs"]
mod representation;
#[path = "pitfalls/run.rs"]
mod run;
#[path = "pitfalls/scene.rs"]
mod scene;
#[path = "pitfalls/sizes.rs"]
mod sizes;
