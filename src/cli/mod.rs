//! One file per subcommand.

<<<<<<< HEAD
pub mod bench;
=======
pub mod ca;
>>>>>>> client
