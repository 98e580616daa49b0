//! Several runs of one measurement.

/// The figures of several runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// The figures of `runs` runs.
    pub fn take(runs: usize, mut run: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<Self> {
        (0..runs).map(|_| run()).collect::<anyhow::Result<Vec<f64>>>().map(Self::new)
    }

    /// From figures in any order.
    pub fn new(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// The one in the middle; of an even number the mean of the two. Not a number if there is none.
    pub fn median(&self) -> f64 {
        let Self(figures) = self;
        let half = figures.len() / 2;
        match (figures.len() % 2, figures.get(half)) {
            (_, None) => f64::NAN,
            (0, Some(upper)) => f64::midpoint(figures[half - 1], *upper),
            (_, Some(middle)) => *middle,
        }
    }

    /// Smallest and largest.
    pub fn spread(&self) -> (f64, f64) {
        let ends = self.0.first().zip(self.0.last());
        ends.map_or((f64::NAN, f64::NAN), |(least, most)| (*least, *most))
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn the_middle_and_the_ends() {
        let sample = Sample::new(vec![3.0, 1.0, 2.0]);
        assert_eq!((sample.median(), sample.spread()), (2.0, (1.0, 3.0)));
        assert_eq!(Sample::new(vec![4.0, 1.0]).median(), 2.5);
        assert!(Sample::default().median().is_nan());
    }
}
