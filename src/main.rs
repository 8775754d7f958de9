//! The command line tool; see the library for what it does.

use mimalloc::MiMalloc;

// Reports are many small texts, made and freed by the million: with the allocator of libc a fifth of the time was its own.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> std::process::ExitCode {
    ftpscope::cli::run()
}
