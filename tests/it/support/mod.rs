//! What the tests stand on: real peers, made once and shared.

pub mod dot;
