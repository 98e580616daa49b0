//! Everything that is counted in the kernel, one slot each of a per-CPU array.
//!
//! A packet that the engine sees ends in exactly one of the outcomes, and whatever was refused,
//! evicted, skipped or lost on the way has a counter of its own: a report that cannot say what it
//! missed is not evidence.

macro_rules! counters {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $name:literal, $kind:ident; )+) => {
        /// One counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum Counter {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl Counter {
            /// All counters in the order of their slots.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The name under which reports and metrics show it.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// What its text in this file says.
            pub const fn describe(self) -> &'static str {
                match self { $( Self::$variant => concat!($($doc),+), )+ }
            }

            /// Whether it counts traffic, an outcome, or something that was not looked at.
            pub const fn kind(self) -> Kind {
                match self { $( Self::$variant => Kind::$kind, )+ }
            }
        }
    };
}

/// What a counter says about coverage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Traffic that was seen and understood.
    Seen,
    /// Traffic that is not of the kind looked at (other protocols): no loss.
    Other,
    /// Something that should have been looked at or told and was not.
    Lost,
}

counters! {
    /// Packets that reached the program, whatever became of them.
    Packets = "packets", Seen;
    /// Octets of those packets, as on the wire where known.
    Octets = "octets", Seen;
    /// TCP segments.
    TcpSegments = "tcp_segments", Seen;
    /// TCP segments of flows outside the watch that were passed after one look at the address.
    TcpUnwatched = "tcp_unwatched", Seen;
    /// TCP connections for which a record was opened.
    TcpFlows = "tcp_flows", Seen;
    /// TCP connections taken up in the middle, without their handshake.
    TcpMidstream = "tcp_midstream", Seen;
    /// New connections on the ports of an old one whose record they took over.
    TcpPortReuse = "tcp_port_reuse", Seen;
    /// TCP resets, all.
    Resets = "resets", Seen;
    /// TCP resets that belong to no connection on record.
    ResetsUnknown = "resets_unknown_flow", Seen;
    /// First reset of its direction, from the responder, before the initiator's handshake ACK.
    ResetFromResponderPostSyn = "reset_from_responder_post_syn", Seen;
    /// First reset from the responder after the handshake, before any data of the initiator.
    ResetFromResponderPostAck = "reset_from_responder_post_ack", Seen;
    /// First reset from the responder after the initiator's first data segment.
    ResetFromResponderPostPsh = "reset_from_responder_post_psh", Seen;
    /// First reset from the responder after several data segments of the initiator.
    ResetFromResponderLater = "reset_from_responder_later", Seen;
    /// First reset from the responder on a connection taken up in the middle.
    ResetFromResponderNoMatch = "reset_from_responder_no_match", Seen;
    /// First reset of its direction, from the initiator, before its own handshake ACK.
    ResetFromInitiatorPostSyn = "reset_from_initiator_post_syn", Seen;
    /// First reset from the initiator after the handshake, before any data of its own.
    ResetFromInitiatorPostAck = "reset_from_initiator_post_ack", Seen;
    /// First reset from the initiator after its own first data segment.
    ResetFromInitiatorPostPsh = "reset_from_initiator_post_psh", Seen;
    /// First reset from the initiator after several data segments of its own.
    ResetFromInitiatorLater = "reset_from_initiator_later", Seen;
    /// First reset from the initiator on a connection taken up in the middle.
    ResetFromInitiatorNoMatch = "reset_from_initiator_no_match", Seen;
    /// DNS queries over UDP.
    DnsQueries = "dns_queries", Seen;
    /// DNS queries that repeat an unanswered one: same ports, same transaction id.
    DnsQueriesRepeated = "dns_queries_repeated", Seen;
    /// DNS replies over UDP.
    DnsReplies = "dns_replies", Seen;
    /// Second and later DNS replies to one query.
    DnsRepliesRepeated = "dns_replies_repeated", Seen;
    /// DNS replies to a query that was not seen.
    DnsRepliesUnasked = "dns_replies_unasked", Seen;
    /// DNS replies of watched names, told with what they say.
    DnsRepliesWatched = "dns_replies_watched", Seen;
    /// DNS replies of names that nobody watches, only counted.
    DnsRepliesUnwatched = "dns_replies_unwatched", Seen;
    /// Those of them that were told without name and payload, to know what a resolver's are like.
    DnsSamples = "dns_samples", Seen;
    /// DNS replies that go on in a later fragment.
    DnsRepliesFragmented = "dns_replies_fragmented", Seen;
    /// DNS messages without a question that can be read, or shorter than their fixed part, and no
    /// reply to a query that was seen.
    DnsMalformed = "dns_malformed", Seen;
    /// QUIC datagrams on port 443 with a long header: those with which connections begin.
    QuicLong = "quic_long_headers", Seen;
    /// QUIC connections for which a record was opened.
    QuicFlows = "quic_flows", Seen;
    /// ICMP and ICMPv6 errors that quote another packet.
    IcmpErrors = "icmp_errors", Seen;
    /// Packets that have already been seen entering by another watched interface.
    SeenAtIngress = "seen_at_ingress", Other;
    /// Frames that carry neither IPv4 nor IPv6.
    NotIp = "not_ip", Other;
    /// IP packets that carry neither TCP, DNS, the beginning of a QUIC connection nor an ICMP error.
    OtherProtocol = "other_protocol", Other;
    /// Second and later fragments: no ports to attribute them by.
    FragmentTail = "fragment_tail", Lost;
    /// Packets cut off (by a capture's snapshot length or by malformation) inside their headers.
    Truncated = "truncated_headers", Lost;
    /// Packets with more VLAN tags, labels, extension headers or tunnels than the parser follows.
    TooDeep = "headers_too_deep", Lost;
    /// Packets whose headers contradict themselves (a length shorter than the header, say).
    Malformed = "malformed_headers", Lost;
    /// Packets to be looked at closely for which the kernel did not start the program that does.
    NotFollowed = "not_followed", Lost;
    /// Connection records evicted to make room for others.
    FlowsEvicted = "flows_evicted", Lost;
    /// Of these, records of watched connections that were followed from their beginning, had not ended, and had
    /// sent something less than ten seconds before: what is forged of them later may not be found.
    FlowsCutShort = "flows_cut_short", Lost;
    /// Segments that would have opened a record, and did not, as all that had their places are worth more.
    FlowsRefused = "flows_refused", Lost;
    /// Segments that would have opened a record while another CPU was opening one in the same sets, and
    /// went on without: records are opened by one at a time.
    FlowsContended = "flows_contended", Lost;
    /// Segments that were written into the record of another connection, which was just being opened in the
    /// place of theirs by another CPU: that record begins anew with its next segment.
    FlowsTorn = "flows_torn", Lost;
    /// DNS queries evicted less than ten seconds after they were asked, without an answer, or less
    /// than two seconds after it.
    DnsEvicted = "dns_evicted", Lost;
    /// DNS replies beyond the sixteenth to one query.
    DnsRepliesBeyond = "dns_replies_beyond", Lost;
    /// Records of who answers DNS evicted to make room for others.
    ResolversEvicted = "resolvers_evicted", Lost;
    /// DNS replies not counted by who sent them, since those who were asked need the room.
    ResolversFull = "resolvers_full", Lost;
    /// Records of QUIC connections evicted while their clients may still have been trying.
    QuicEvicted = "quic_evicted", Lost;
    /// Events refused because their class had used up its rate.
    RateLimited = "events_rate_limited", Lost;
    /// Events lost because the ring buffer was full.
    RingFull = "events_ring_full", Lost;
    /// Events emitted: what the agent must receive, one for one.
    Events = "events_emitted", Seen;
    /// Table look-ups that failed, which the kernel promises not to happen.
    Internal = "internal_errors", Lost;
}

impl Counter {
    /// The ways in which a packet can end: of each packet seen, exactly one is counted, so that
    /// they add up to [`Counter::Packets`].
    pub const OUTCOMES: &[Self] = &[
        Self::TcpSegments,
        Self::DnsQueries,
        Self::DnsReplies,
        Self::DnsMalformed,
        Self::QuicLong,
        Self::IcmpErrors,
        Self::SeenAtIngress,
        Self::NotIp,
        Self::OtherProtocol,
        Self::FragmentTail,
        Self::Truncated,
        Self::TooDeep,
        Self::Malformed,
        Self::NotFollowed,
    ];
}

/// How many counters there are: the size of the per-CPU array.
pub const COUNTERS: u32 = Counter::ALL.len() as u32;

#[cfg(test)]
mod tests {
    use super::Counter;

    #[test]
    fn slots_names_and_texts_are_distinct() {
        for (slot, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, slot);
            assert!(!counter.describe().is_empty());
            assert!(Counter::ALL.iter().filter(|c| c.name() == counter.name()).count() == 1);
        }
    }
}
