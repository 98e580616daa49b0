//! The servers have more to do than they can: a crowd, or an attack. Then more clients ask than before,
//! and it shows in silence, slowness and the server's own resets, for every name at the address.

use super::{Situation, Weighed, lost, stands, won};
use crate::attribute::method::Method;

/// Factor by which clients must have become more for a crowd to explain it.
const CROWD: f64 = 3.0;

pub(super) fn weigh(of: &Situation) -> Weighed {
    if of.is_dns()
        || of.method_is(&[Method::HttpBlockpage, Method::IcmpReject, Method::Residual])
        || of.says_so
    {
        return None;
    }
    if of.is_proven() {
        return lost("an overloaded server does not make packets in its own name elsewhere");
    }
    if of.healthy_elsewhere {
        return lost("another observer sees it served at the same time");
    }
    if of.is_at_several_operators() {
        return lost("networks of several operators began to fail at the same time");
    }
    let by_name = of.method_is(&[Method::SniDrop, Method::QuicDrop, Method::SniReset]);
    if of.near_established && by_name {
        return lost("other names at the same address are served at the same time");
    }
    if of.near_established
        && of.method_is(&[Method::Throttle])
        && of.part_of_slowed(of.policed) > 0.5
    {
        return lost("round trips do not grow, as they would with a queue");
    }
    if of.load >= CROWD {
        return won(format!(
            "{:.1} times as many clients ask as before, measured by the controls",
            of.load
        ));
    }
    stands(format!(
        "{:.1} times as many clients ask as before; an overload of another cause is not excluded",
        of.load
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, of, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn a_crowd_wins_unless_the_same_address_serves_others() {
        let crowd = Situation { load: 8.0, ..of(Method::SniDrop) };
        assert_eq!(standing(super::weigh(&crowd)), Standing::Won);
        let shared = Situation { near_established: true, ..crowd };
        assert_eq!(standing(super::weigh(&shared)), Standing::Lost);
        // Neighbours are other machines.
        let neighbour = Situation { near_established: true, load: 8.0, ..of(Method::IpDrop) };
        assert_eq!(standing(super::weigh(&neighbour)), Standing::Won);
        assert_eq!(standing(super::weigh(&of(Method::HttpReset))), Standing::Stands);
    }
}
