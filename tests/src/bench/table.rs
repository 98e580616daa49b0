//! Figures and their budgets.

use std::fmt;

use serde::Serialize;

use super::sample::Sample;

/// What a figure is to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which measurement it is of.
    pub group: &'static str,
    /// What was measured.
    pub what: String,
    /// Median of the runs.
    pub median: f64,
    /// Least and most of them.
    pub spread: (f64, f64),
    /// Unit of all three.
    pub unit: &'static str,
    /// What it is to be; none if it is only to be known.
    pub budget: Option<Budget>,
    /// What bounds it, or what it is to be read with.
    pub note: String,
}

/// All figures of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// In the order they were measured.
    pub rows: Vec<Row>,
}

impl Row {
    /// The figure `what` of `sample`.
    pub fn new(
        group: &'static str,
        what: impl Into<String>,
        sample: &Sample,
        unit: &'static str,
    ) -> Self {
        let (median, spread) = (sample.median(), sample.spread());
        Self { group, what: what.into(), median, spread, unit, budget: None, note: String::new() }
    }

    /// With a budget.
    #[must_use]
    pub fn budget(self, budget: impl Into<Option<Budget>>) -> Self {
        Self { budget: budget.into(), ..self }
    }

    /// With a note.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Whether it is what it is to be. What could not be measured is not.
    pub fn is_met(&self) -> bool {
        match self.budget {
            None => true,
            Some(Budget::AtMost(most)) => self.median <= most,
            Some(Budget::AtLeast(least)) => self.median >= least,
        }
    }
}

impl Table {
    /// Adds a figure and shows it.
    pub fn add(&mut self, row: Row) {
        eprintln!("{row}");
        self.rows.push(row);
    }

    /// Figures that are not what they are to be.
    pub fn missed(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_met())
    }
}

/// A figure with as many digits as it is worth.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2} M", value / 1e6),
        size if size >= 1e4 => format!("{:.1} k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.spread;
        let spread = format!("{} to {}", digits(least), digits(most));
        let budget = match self.budget {
            None => String::new(),
            Some(Budget::AtMost(most)) => format!("<= {}", digits(most)),
            Some(Budget::AtLeast(least)) => format!(">= {}", digits(least)),
        };
        let met = match (self.budget, self.is_met()) {
            (None, _) => "",
            (Some(_), true) => "met",
            (Some(_), false) => "MISSED",
        };
        write!(
            f,
            "{:<9} {:<52} {:>9} {:<6} {:>20}  {:>9} {:<6} {}",
            self.group,
            self.what,
            digits(self.median),
            self.unit,
            spread,
            budget,
            met,
            self.note
        )
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<9} {:<52} {:>9} {:<6} {:>20}  {:>9}",
            "group", "figure", "median", "unit", "spread", "budget"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Row, Sample};

    #[test]
    fn a_budget_is_met_or_not() {
        let row = |figure| Row::new("cost", "x", &Sample::new(vec![figure]), "ns");
        assert!(row(9.0).is_met());
        assert!(row(9.0).budget(Budget::AtMost(9.0)).is_met());
        assert!(!row(9.1).budget(Budget::AtMost(9.0)).is_met());
        assert!(!row(8.9).budget(Budget::AtLeast(9.0)).is_met());
        assert!(!row(f64::NAN).budget(Budget::AtLeast(9.0)).is_met());
    }
}
