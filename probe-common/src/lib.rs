//! What kernel and agent share.
#![no_std]
