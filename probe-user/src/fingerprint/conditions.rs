//! What an entry of the catalogue asks of a vector. All of it must hold.

use serde::Deserialize;
use toml::Spanned;

use super::{
    message::{MessageConditions, RawMessageConditions},
    vector::{
        Acknowledgment, Behaviour, Direction, FLAGS, HEAD_MAX, OPTIONS, Sequence, Vector,
        flag_names,
    },
};
use crate::data::Fault;

/// Conditions, as in the table `when` of an entry. None and an empty list ask nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    direction: Option<Direction>,
    flags: Vec<String>,
    count: Option<[u64; 2]>,
    bursts: Option<[u64; 2]>,
    train: Vec<Sequence>,
    pause_min_us: Option<u64>,
    spacing_max_us: Option<u64>,
    ttl_initial: Vec<u8>,
    ttl_range: Option<[u64; 2]>,
    ttl_is: Vec<Behaviour>,
    ip_id: Numbers,
    ip_id_from_trigger: Option<i16>,
    df: Option<bool>,
    window: Numbers,
    payload: Option<String>,
    payload_prefix: Option<String>,
    payload_length: Option<[u64; 2]>,
    payload_lengths: Vec<u32>,
    seq_is: Vec<Sequence>,
    seq_strides: Vec<i32>,
    ack_is: Vec<Acknowledgment>,
    options_present: Vec<String>,
    options_absent: Vec<String>,
    options_none: bool,
    dns: MessageConditions,
}

/// Conditions on a 16-bit field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Numbers {
    values: Vec<u16>,
    range: Option<[u64; 2]>,
    is: Vec<Behaviour>,
}

/// The table as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConditions {
    direction: Option<Direction>,
    #[serde(default)]
    flags: Vec<Spanned<String>>,
    count: Option<Spanned<[u64; 2]>>,
    bursts: Option<Spanned<[u64; 2]>>,
    #[serde(default)]
    train: Vec<Sequence>,
    pause_min_us: Option<u64>,
    spacing_max_us: Option<u64>,
    #[serde(default)]
    ttl_initial: Vec<u8>,
    ttl_range: Option<Spanned<[u64; 2]>>,
    #[serde(default)]
    ttl_is: Vec<Behaviour>,
    #[serde(default)]
    ip_id: Vec<u16>,
    ip_id_range: Option<Spanned<[u64; 2]>>,
    #[serde(default)]
    ip_id_is: Vec<Behaviour>,
    ip_id_from_trigger: Option<i16>,
    df: Option<bool>,
    #[serde(default)]
    window: Vec<u16>,
    window_range: Option<Spanned<[u64; 2]>>,
    #[serde(default)]
    window_is: Vec<Behaviour>,
    payload: Option<Spanned<String>>,
    payload_prefix: Option<Spanned<String>>,
    payload_length: Option<Spanned<[u64; 2]>>,
    #[serde(default)]
    payload_lengths: Vec<u32>,
    #[serde(default)]
    seq_is: Vec<Sequence>,
    #[serde(default)]
    seq_strides: Vec<i32>,
    #[serde(default)]
    ack_is: Vec<Acknowledgment>,
    #[serde(default)]
    options_present: Vec<Spanned<String>>,
    #[serde(default)]
    options_absent: Vec<Spanned<String>>,
    #[serde(default)]
    options_none: bool,
    dns: Option<RawMessageConditions>,
}

impl Conditions {
    pub(super) fn check(raw: Spanned<RawConditions>) -> Result<Self, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let conditions = Self {
            direction: raw.direction,
            flags: raw.flags.iter().map(check_flags).collect::<Result<_, _>>()?,
            count: raw.count.as_ref().map(check_range).transpose()?,
            bursts: raw.bursts.as_ref().map(check_range).transpose()?,
            train: raw.train,
            pause_min_us: raw.pause_min_us,
            spacing_max_us: raw.spacing_max_us,
            ttl_initial: raw.ttl_initial,
            ttl_range: raw.ttl_range.as_ref().map(check_range).transpose()?,
            ttl_is: raw.ttl_is,
            ip_id: Numbers {
                values: raw.ip_id,
                range: raw.ip_id_range.as_ref().map(check_range).transpose()?,
                is: raw.ip_id_is,
            },
            ip_id_from_trigger: raw.ip_id_from_trigger,
            df: raw.df,
            window: Numbers {
                values: raw.window,
                range: raw.window_range.as_ref().map(check_range).transpose()?,
                is: raw.window_is,
            },
            payload: raw.payload.as_ref().map(|hex| check_hex(hex, None)).transpose()?,
            payload_prefix: raw
                .payload_prefix
                .as_ref()
                .map(|hex| check_hex(hex, Some(HEAD_MAX)))
                .transpose()?,
            payload_length: raw.payload_length.as_ref().map(check_range).transpose()?,
            payload_lengths: raw.payload_lengths,
            seq_is: raw.seq_is,
            seq_strides: raw.seq_strides,
            ack_is: raw.ack_is,
            options_present: raw
                .options_present
                .iter()
                .map(check_option)
                .collect::<Result<_, _>>()?,
            options_absent: raw
                .options_absent
                .iter()
                .map(check_option)
                .collect::<Result<_, _>>()?,
            options_none: raw.options_none,
            dns: raw.dns.as_ref().map(MessageConditions::check).transpose()?.unwrap_or_default(),
        };
        if conditions == Self::default() {
            return Err((
                span,
                "when is empty; allowed is a table with a condition or more".into(),
            ));
        }
        Ok(conditions)
    }

    /// How special it is that `vector` meets all conditions: about the bits of chance that it takes
    /// to meet them by accident. None if it does not.
    #[must_use]
    pub fn met_by(&self, vector: &Vector) -> Option<u32> {
        let mut met = Met(Some(0));
        // What tells most entries apart first: nearly all are not met.
        self.headers(vector, &mut met);
        met.0?;
        self.shape(vector, &mut met);
        met.0?;
        self.payload(vector, &mut met);
        self.dns.ask(vector.dns.as_ref(), &mut met);
        met.0
    }

    /// How many packets, when, in which order.
    fn shape(&self, vector: &Vector, met: &mut Met) {
        met.ask(self.direction, 1, |direction| direction == vector.direction);
        met.ask(self.count, 2, |range| within(range, vector.count as u64));
        met.ask(self.bursts, 3, |range| within(range, vector.bursts as u64));
        met.ask_any(&self.train, 2, |&train| train == vector.train);
        met.ask(self.pause_min_us, 3, |least| vector.pause_us.is_some_and(|pause| pause >= least));
        met.ask(self.spacing_max_us, 2, |most| {
            vector.spacing_us.is_none_or(|spacing| spacing <= most)
        });
        met.ask_any(&self.seq_is, 2, |&sequence| sequence == vector.sequence);
        let strides = (!self.seq_strides.is_empty()).then_some(&self.seq_strides);
        met.ask(strides, 16, |strides| *strides == vector.strides);
        met.ask_any(&self.ack_is, 1, |&ack| ack == vector.acknowledgment);
    }

    fn headers(&self, vector: &Vector, met: &mut Met) {
        let usual =
            self.flags.iter().all(|flags| ["RST", "RST+ACK", "PSH+ACK"].contains(&&**flags));
        let flags = (!self.flags.is_empty()).then_some(&self.flags);
        met.ask(flags, if usual { 2 } else { 8 }, |flags| {
            vector.flags.iter().all(|seen| flags.contains(seen))
        });
        if met.0.is_none() {
            return;
        }
        met.ask_any(&self.ttl_initial, 2, |&initial| initial == vector.ttl.initial);
        met.ask(self.ttl_range, 3, |range| {
            within(range, vector.ttl.min.into()) && within(range, vector.ttl.max.into())
        });
        met.ask_any(&self.ttl_is, 4, |&behaviour| behaviour == vector.ttl.behaviour);
        self.ip_id.ask(&vector.ip_id, met);
        if met.0.is_none() {
            return;
        }
        met.ask(self.ip_id_from_trigger, 14, |offset| vector.ip_id_from_trigger == Some(offset));
        met.ask(self.df, 1, |df| vector.df == Some(df));
        self.window.ask(&vector.window, met);
        let has = |name: &String| vector.options.contains(&name.as_str());
        let present = (!self.options_present.is_empty()).then_some(&self.options_present);
        met.ask(present, 2, |names| names.iter().all(has));
        let absent = (!self.options_absent.is_empty()).then_some(&self.options_absent);
        met.ask(absent, 1, |names| !names.iter().any(has));
        met.ask(self.options_none.then_some(()), 1, |()| vector.options.is_empty());
    }

    fn payload(&self, vector: &Vector, met: &mut Met) {
        let lengths = &vector.payload.lengths;
        met.ask(self.payload.as_ref(), 32, |hex| {
            let length = hex.len() / 2;
            lengths.iter().all(|&seen| seen as usize == length)
                && vector.payload.head == hex[..hex.len().min(2 * HEAD_MAX)]
        });
        met.ask(self.payload_prefix.as_ref(), 24, |hex| vector.payload.head.starts_with(&**hex));
        met.ask(self.payload_length, 4, |range| {
            lengths.iter().all(|&length| within(range, length.into()))
        });
        let listed = (!self.payload_lengths.is_empty()).then_some(&self.payload_lengths);
        met.ask(listed, 16, |listed| listed == lengths);
    }
}

impl Numbers {
    fn ask(&self, field: &super::vector::Field, met: &mut Met) {
        let values = &field.values;
        let listed = (!self.values.is_empty()).then_some(&self.values);
        met.ask(listed, 14, |listed| {
            !values.is_empty() && values.iter().all(|value| listed.contains(value))
        });
        // 16 bits of chance, less those that the width of the range gives away.
        let points = self
            .range
            .map_or(0, |[from, to]| 16 - (to - from).checked_ilog2().unwrap_or(0).min(15));
        met.ask(self.range, points, |range| {
            !values.is_empty() && values.iter().all(|&value| within(range, value.into()))
        });
        let points = match self.is[..] {
            [Behaviour::Mirrors] => 15,
            [Behaviour::Zero] => 5,
            _ => 3,
        };
        met.ask_any(&self.is, points, |&behaviour| behaviour == field.behaviour);
    }
}

/// Points so far; None after the first condition that does not hold.
pub(super) struct Met(Option<u32>);

impl Met {
    pub(super) fn ask<T>(
        &mut self,
        condition: Option<T>,
        points: u32,
        holds: impl FnOnce(T) -> bool,
    ) {
        if let (Some(sum), Some(condition)) = (self.0, condition) {
            self.0 = holds(condition).then_some(sum + points);
        }
    }

    /// One of a list; an empty list asks nothing.
    pub(super) fn ask_any<T>(&mut self, list: &[T], points: u32, holds: impl Fn(&T) -> bool) {
        self.ask((!list.is_empty()).then_some(list), points, |list| list.iter().any(holds));
    }
}

pub(super) const fn within([from, to]: [u64; 2], value: u64) -> bool {
    from <= value && value <= to
}

pub(super) fn check_range(range: &Spanned<[u64; 2]>) -> Result<[u64; 2], Fault> {
    let [from, to] = *range.as_ref();
    if from <= to {
        return Ok([from, to]);
    }
    Err((
        range.span(),
        format!("range [{from}, {to}] is empty; allowed is the smaller number first"),
    ))
}

/// A set of flags in any order; the result is as vectors have it.
fn check_flags(text: &Spanned<String>) -> Result<String, Fault> {
    let bits = text.as_ref().split('+').try_fold(0, |bits, name| {
        FLAGS.iter().find(|(known, _)| *known == name).map(|(_, bit)| bits | bit)
    });
    bits.map(flag_names).ok_or_else(|| {
        let known: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
        let reason =
            format!("flags {:?}: allowed are {} joined by +", text.as_ref(), known.join(", "));
        (text.span(), reason)
    })
}

fn check_option(text: &Spanned<String>) -> Result<String, Fault> {
    if OPTIONS.iter().any(|(name, _)| name == text.as_ref()) {
        return Ok(text.as_ref().clone());
    }
    let known: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
    Err((text.span(), format!("option {:?}: allowed are {}", text.as_ref(), known.join(", "))))
}

/// Hex, two digits an octet; lowercase in the result.
fn check_hex(text: &Spanned<String>, octets_max: Option<usize>) -> Result<String, Fault> {
    let hex = text.as_ref().to_ascii_lowercase();
    let valid = !hex.is_empty()
        && hex.len() % 2 == 0
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
        && octets_max.is_none_or(|most| hex.len() <= 2 * most);
    if valid {
        return Ok(hex);
    }
    let most = octets_max.map_or(String::new(), |most| format!(", at most {most} octets"));
    let reason = format!("payload {:?}: allowed is hex, two digits an octet{most}", text.as_ref());
    Err((text.span(), reason))
}
