//! Where packets come from.

pub mod capture;
