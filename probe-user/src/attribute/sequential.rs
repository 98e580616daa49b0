//! The sequential test: an e-detector that may be looked at after every window.
//!
//! Each observation brings a gain whose mean, if the innocent hypothesis holds, is not above zero given
//! all that was before. Whoever bets a fixed part of his fortune on gains then has a fortune that does
//! not grow in expectation: an e-process (Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics
//! and safe anytime-valid inference", Statistical Science 2023; bets on bounded means: Waudby-Smith and
//! Ramdas, JRSS B 2023). Wald's sequential probability ratio test (1945) is the special case of a
//! known alternative; Augur (Pearce et al., IEEE S&P 2017) used it for the same question with the same
//! error rates. Gains need not be independent or have a known distribution, which is why bets are
//! preferred here.
//!
//! Blocking may begin at any time. So a new gambler enters with each window, each with 1/[`HORIZON`] of
//! the money (Shiryaev and Roberts; Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2023), and what
//! counts is what all of them hold together. Under the innocent hypothesis that is at most the share of
//! a day's windows gone by, in expectation: by Doob's inequality it reaches 1/[`ALPHA`] within any
//! [`HORIZON`] windows with a probability below [`ALPHA`].

/// Error rate of each decision: that an innocent service is called otherwise within [`HORIZON`] windows,
/// and that a blocked one is called healthy. Augur's.
pub const ALPHA: f64 = 1e-5;

/// Windows that the error rate is for: a day of five minutes each.
pub const HORIZON: f64 = 288.0;

/// Parts of the largest possible bet that gamblers stake. Small ones gain where blocking is rare, large
/// ones where it is not; the mixture costs at most the logarithm of their number.
const BETS: [f64; 8] = [0.02, 0.06, 0.14, 0.28, 0.46, 0.65, 0.82, 0.97];

/// The fortunes of all gamblers.
#[derive(Debug, Clone)]
pub struct Detector {
    /// The most that one observation can lose.
    reach: f64,
    /// Natural logarithm of what those who stake a part hold together.
    fortunes: [f64; BETS.len()],
    /// A new gambler has entered since the last gain.
    entered: bool,
    /// The most that they may hold: what is above is given away.
    most: f64,
}

impl Detector {
    /// A detector for gains that are never below `-reach`, which must be positive.
    #[must_use]
    pub const fn new(reach: f64) -> Self {
        let fortunes = [f64::NEG_INFINITY; BETS.len()];
        Self { reach, fortunes, entered: false, most: f64::INFINITY }
    }

    /// The same, whose gamblers give away what they hold above e to the power of `most`: who does so has
    /// no more than before, and is not long rich of what was once true.
    #[must_use]
    pub const fn forgetful(reach: f64, most: f64) -> Self {
        Self { most, ..Self::new(reach) }
    }

    /// A window begins: a gambler enters, once there is something to bet on.
    pub const fn window(&mut self) {
        self.entered = false;
    }

    /// Takes an observation's gain.
    pub fn gain(&mut self, gain: f64) {
        let gain = gain.max(-self.reach);
        let enters = !self.entered;
        self.entered = true;
        for (fortune, bet) in self.fortunes.iter_mut().zip(BETS) {
            if enters {
                *fortune = add(*fortune, -HORIZON.ln());
            }
            *fortune = (*fortune + (bet / self.reach * gain).ln_1p()).min(self.most);
        }
    }

    /// Natural logarithm of what all hold together.
    #[must_use]
    pub fn evidence(&self) -> f64 {
        let sum = self.fortunes.iter().fold(f64::NEG_INFINITY, |sum, &one| add(sum, one));
        sum - (BETS.len() as f64).ln()
    }

    /// Whether the innocent hypothesis is rejected.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.evidence() >= -ALPHA.ln()
    }

    /// The evidence as a decimal logarithm, to a hundredth; 0 for none.
    #[must_use]
    pub fn decimal(&self) -> f64 {
        let log = self.evidence() / std::f64::consts::LN_10;
        (log.max(0.0) * 100.0).round() / 100.0
    }
}

/// Logarithm of the sum of two numbers whose logarithms are given.
fn add(one: f64, two: f64) -> f64 {
    let (low, high) = if one < two { (one, two) } else { (two, one) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::{ALPHA, Detector, HORIZON};

    /// A generator good enough for tests: SplitMix64.
    struct Random(u64);

    impl Random {
        fn chance(&mut self, share: f64) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            if ((z >> 11) as f64) < share * (1u64 << 53) as f64 { 1.0 } else { 0.0 }
        }
    }

    /// Observations until a decision, ten in a window.
    fn needed(target: f64, control: f64, most: usize, random: &mut Random) -> Option<usize> {
        let mut detector = Detector::new(2.01);
        (1..=most).find(|count| {
            if count % 10 == 1 {
                detector.window();
            }
            detector.gain(random.chance(target) - 2.0 * random.chance(control) - 0.01);
            detector.decides()
        })
    }

    #[test]
    fn all_flows_of_sixty_client_windows_are_enough_and_of_twenty_are_not() {
        let needed = needed(1.0, 0.0, 1_000, &mut Random(1)).expect("a decision");
        assert!((20..60).contains(&needed), "{needed}");
    }

    #[test]
    fn a_twentieth_is_found_in_some_thousand() {
        let needed = needed(0.05, 0.002, 20_000, &mut Random(2)).expect("a decision");
        assert!(needed < 6_000, "{needed}");
    }

    #[test]
    fn equal_shares_are_never_called_different() {
        // At the very border of the hypothesis: target 0.21, controls 0.1. 2,000 days would have 0.02
        // false ones at the rate that is promised.
        let mut random = Random(3);
        let days = 2_000;
        let wrong = (0..days).filter(|_| needed(0.21, 0.1, 2_880, &mut random).is_some()).count();
        assert_eq!(wrong, 0);
    }

    #[test]
    fn the_error_rate_holds_where_it_can_be_measured() {
        // Reaching 20 within a horizon has a probability of at most 1/20; at the border of the
        // hypothesis it must not be more often than that, three standard errors added.
        let (mut random, runs) = (Random(4), 2_000);
        let reached = (0..runs)
            .filter(|_| {
                let mut detector = Detector::new(1.01);
                (0..HORIZON as usize).any(|_| {
                    detector.window();
                    detector.gain(random.chance(0.01) - 0.01);
                    detector.evidence() >= 20f64.ln()
                })
            })
            .count();
        let most = f64::from(runs) * 0.05;
        assert!((reached as f64) <= most + 3.0 * most.sqrt(), "{reached} of {runs}");
        const { assert!(ALPHA <= 1e-5) };
    }

    #[test]
    fn what_was_clean_for_long_does_not_delay() {
        let mut random = Random(5);
        let mut detector = Detector::new(2.01);
        for _ in 0..20_000 {
            detector.window();
            detector.gain(random.chance(0.005) - 2.0 * random.chance(0.005) - 0.01);
        }
        assert!(detector.evidence() < 5.0, "{}", detector.evidence());
        let needed = (1..200).find(|_| {
            detector.window();
            detector.gain(1.0 - 0.01);
            detector.decides()
        });
        assert!(needed.expect("a decision") < 60);
    }
}
