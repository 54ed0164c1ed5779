//! What a figure has to reach, and whether it does.

/// A bound that a figure is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reach {
    AtLeast(f64),
    AtMost(f64),
}

impl Reach {
    /// Prints a figure with its reach, and "held" or "missed". What could not be taken is missed.
    pub(crate) fn judge(self, what: &str, figure: f64) {
        let (sign, bound, holds) = match self {
            Self::AtLeast(bound) => (">=", bound, figure >= bound),
            Self::AtMost(bound) => ("<=", bound, figure <= bound),
        };
        let verdict = if holds { "held" } else { "missed" };
        println!("    {what}: {figure:.2}, reach {sign} {bound}: {verdict}");
    }
}
