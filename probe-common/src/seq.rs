//! Arithmetic on TCP sequence numbers, which wrap (RFC 9293, section 3.4).

/// The signed distance from `b` to `a`: positive when `a` lies after `b`.
///
/// Meaningful while the two are less than 2^31 apart, which the largest window (RFC 7323: 2^30)
/// guarantees for numbers of one connection.
#[inline(always)]
pub const fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// Whether `a` lies after `b`.
#[inline(always)]
pub const fn after(a: u32, b: u32) -> bool {
    distance(a, b) > 0
}

#[cfg(test)]
mod tests {
    use super::{after, distance};

    #[test]
    fn order_survives_the_wrap() {
        assert!(after(5, u32::MAX - 5));
        assert!(!after(u32::MAX - 5, 5));
        assert!(!after(7, 7));
        assert_eq!(distance(2, u32::MAX), 3);
        assert_eq!(distance(u32::MAX, 2), -3);
    }
}
