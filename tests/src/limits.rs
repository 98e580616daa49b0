//! What is demanded of the detectors.

/// Least share of connections with a forged packet in the capture of which something is said.
pub const FOUND: f64 = 0.99;

/// Least share of questions with a forged answer in the capture of which something is said. A device that
/// gives a true answer in the place of a resolver that is not known (`iran-static`) shows nothing.
pub const ANSWERS_FOUND: f64 = 0.96;

/// Least share of forged answers over DNS that an accusation names by their frame. Those that it does not:
/// an answer that differs from the genuine one in nothing but what it says (the model `perfect`, and
/// `dnsspoof` near to the resolver) may be the work of a network that doubles questions.
pub const AT_FRAME: f64 = 0.9;

/// Least share of questions that were answered falsely, and not otherwise, of which something is said.
/// Names that nobody watches are not judged by what they lead to.
pub const LIES_FOUND: f64 = 0.85;

/// Most innocent connections of the corpus in which somebody is accused.
pub const FALSE: u64 = 0;

/// Accusations of innocent connections at C2: one in so many connections is tolerated.
pub const STRONG_IN: u64 = 1_000_000;

/// Whether so many accusations of innocent look-ups are tolerated: of 15.2 million pairs of answers at a
/// university 2 differed innocently (Duan et al., 2012), and both kinds are explained.
pub const fn tolerates_of_lookups(certain: u64, strong: u64) -> bool {
    certain == 0 && strong == 0
}

/// Whether so many accusations of innocent `connections` are tolerated. Certain ones (C3) never are.
pub const fn tolerates(certain: u64, strong: u64, connections: u64) -> bool {
    certain == 0 && strong <= connections / STRONG_IN
}
