//! How long each layer takes by itself: `cargo bench --bench layers [NAME]`.
//!
//! What the whole program takes against other tools tells `tests/bench/rivals.sh`.

mod extraction;
mod packets;
mod protocol;
mod report;
mod sessions;

fn main() {
    divan::main();
}
