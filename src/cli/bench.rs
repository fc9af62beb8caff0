<<<<<<< HEAD
//! `safeconduct bench`: the submit path and the opening against a bare echo, in one run.

pub mod echo;
pub mod load;
pub mod process;
=======
//! NOTE FOR THE client HELPER: the integrator is writing the bench (src/cli/bench.rs, src/cli/bench/*, benches/*)
//! on main. Please skip it, delete this placeholder, and put your effort into the SDK, `demo::town::Town`, the demo.
>>>>>>> client
