//! Eighty-eight places where analysers of FTP go wrong, each with a test named for it (`pitfall_07_...`): a capture
//! made by hand, the whole program, and what its report must say. `pitfalls/README.md` lists them all.

mod capture;
mod capture_around;
mod capture_holes;
mod content;
mod control;
mod control_pairing;
mod control_security;
mod control_state;
mod data;
mod listing_forms;
mod listings;
mod lost_lines;
mod names;
mod odd_peers;
mod representation;
mod run;
mod scene;
mod sizes;
