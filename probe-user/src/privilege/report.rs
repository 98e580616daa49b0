//! What was given up, in one line.

use std::fmt;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is called.
    pub name: &'static str,
    /// In which measure it is in force, or why it is not.
    pub words: String,
    /// Whether it is in force, wholly.
    pub whole: bool,
}

impl Layer {
    /// In force.
    pub fn done(name: &'static str, words: impl Into<String>) -> Self {
        Self { name, words: words.into(), whole: true }
    }

    /// In force in part, or not at all.
    pub fn lacking(name: &'static str, words: impl Into<String>) -> Self {
        Self { name, words: words.into(), whole: false }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if !self.whole {
            f.write_str(" LACKING:")?;
        }
        if self.words.is_empty() { Ok(()) } else { write!(f, " {}", self.words) }
    }
}

/// All steps, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    layers: Vec<Layer>,
}

impl Confinement {
    pub(super) fn push(&mut self, layer: Layer) {
        self.layers.push(layer);
    }

    /// Whether everything is in force.
    pub fn is_complete(&self) -> bool {
        self.layers.iter().all(|layer| layer.whole)
    }

    /// The steps.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What is lacking, for people.
    pub fn lacking(&self) -> String {
        let lacking = self.layers.iter().filter(|layer| !layer.whole);
        let lacking: Vec<_> =
            lacking.map(|layer| format!("{} ({})", layer.name, layer.words)).collect();
        lacking.join(", ")
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, layer) in self.layers.iter().enumerate() {
            let before = if position == 0 { "" } else { "; " };
            write!(f, "{before}{layer}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Confinement, Layer};

    #[test]
    fn one_line_tells_what_is_in_force_and_what_is_not() {
        let mut all = Confinement::default();
        all.push(Layer::done("no new privileges", ""));
        all.push(Layer::done("capabilities", "none"));
        assert!(all.is_complete());
        all.push(Layer::lacking("files", "this kernel has no Landlock"));
        assert!(!all.is_complete());
        assert_eq!(
            all.to_string(),
            "no new privileges; capabilities none; files LACKING: this kernel has no Landlock"
        );
        assert_eq!(all.lacking(), "files (this kernel has no Landlock)");
    }
}
