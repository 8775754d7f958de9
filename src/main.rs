//! The command line tool; see the library for what it does.

// Reports are many small texts, made and freed by the million: with the allocator of libc a fifth of the time was its own.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ftpscope::cli::run()
}
