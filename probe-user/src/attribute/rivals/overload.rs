//! The servers have more to do than they can: a crowd, or an attack. Then more clients ask than before,
//! and it shows in silence, slowness and the server's own resets, for every name at the address.

use super::{Situation, Weighed, lost, stands, won};
use crate::attribute::method::Method;

/// Factor by which clients must have become more for a crowd to explain it.
const CROWD: f64 = 3.0;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if seen.is_dns()
        || seen.method_is(&[Method::HttpBlockpage, Method::IcmpReject, Method::Residual])
        || seen.says_so
    {
        return None;
    }
    if seen.is_proven() {
        return lost("an overloaded server does not make packets in its own name elsewhere");
    }
    if seen.healthy_elsewhere {
        return lost("another observer sees it served at the same time");
    }
    if seen.is_at_several_operators() {
        return lost("networks of several operators began to fail at the same time");
    }
    let by_name = seen.method_is(&[Method::SniDrop, Method::QuicDrop, Method::SniReset]);
    if seen.near_established && by_name {
        return lost("other names at the same address are served at the same time");
    }
    if seen.near_established
        && seen.method_is(&[Method::Throttle])
        && seen.part_of_slowed(seen.policed) > 0.5
    {
        return lost("round trips do not grow, as they would with a queue");
    }
    if seen.load >= CROWD {
        return won(format!(
            "{:.1} times as many clients ask as before, measured by the controls",
            seen.load
        ));
    }
    stands(format!(
        "{:.1} times as many clients ask as before; an overload of another cause is not excluded",
        seen.load
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn a_crowd_wins_unless_the_same_address_serves_others() {
        let crowd = Situation { load: 8.0, ..blocked_by(Method::SniDrop) };
        assert_eq!(standing(super::weigh(&crowd)), Standing::Won);
        let shared = Situation { near_established: true, ..crowd };
        assert_eq!(standing(super::weigh(&shared)), Standing::Lost);
        // Neighbours are other machines.
        let neighbour =
            Situation { near_established: true, load: 8.0, ..blocked_by(Method::IpDrop) };
        assert_eq!(standing(super::weigh(&neighbour)), Standing::Won);
        assert_eq!(standing(super::weigh(&blocked_by(Method::HttpReset))), Standing::Stands);
    }
}
