//! Which name a flow asked for, read from the bytes of the flow itself.
//!
//! A finding is about a *service*, and the surest way from a flow to a service is the name that the
//! client sent: the SNI of a TLS ClientHello ([`tls`]), the Host of an HTTP request ([`http`]), the
//! question of a DNS message ([`dns`]). TCP may deliver the first two in pieces, in any order and
//! more than once, so [`stream`] puts the first bytes of a direction back together. Over QUIC the
//! ClientHello is encrypted with keys that anybody on the path can derive: [`quic`] does.
//!
//! What comes back may be a censor's page instead of the service's: [`blockpage`] knows some.
//!
//! All bytes here come from strangers. Every parser takes any input without panicking, keeps to
//! named limits, and reads as far as the bytes allow: a capture that ends early or a message that is
//! malformed on purpose still yields what stood before the break, with a flag that says so.

pub mod blockpage;
pub mod dns;
pub mod host;
pub mod http;
pub mod quic;
pub mod stream;
pub mod tls;
