//! Time of each layer by itself: `cargo bench --bench layers [NAME]`.
//!
//! `tests/bench/rivals.sh` compares the whole program with other tools.

mod extraction;
mod packets;
mod protocol;
mod report;
mod sessions;

fn main() {
    divan::main();
}
