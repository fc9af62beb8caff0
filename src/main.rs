//! The one binary; everything is in the library.

use std::process::ExitCode;

/// Requests are many small allocations on several threads, where the system's allocator spent a
/// sixth of the router's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    safeconduct::cli::main()
}
