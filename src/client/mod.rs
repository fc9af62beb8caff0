//! The SDK: connect, retry, mirror the directory, seal, send, open, verify.
