//! Generated code of `proto/safeconduct/v1`, and the descriptors with their options.
//!
//! Imported by `grpc`, `client` and the programs above them only.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

/// The encoded `FileDescriptorSet`, custom options included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Package `safeconduct.v1`.
pub mod v1 {
    tonic::include_proto!("safeconduct.v1");
}
