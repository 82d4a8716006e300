//! Colours, where they are wanted.

use std::env;

/// What a colour means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// All is well.
    Green,
    /// On the way: half-open, or answered by the fallback.
    Yellow,
    /// Open, down, failed.
    Red,
    /// Of less interest.
    Dim,
    /// A heading.
    Bold,
}

/// Paints, or leaves texts as they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    /// With colours, unless the environment says `NO_COLOR`.
    pub(super) fn from_environment() -> Self {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colours: !unwanted }
    }

    /// Without any.
    pub(super) fn plain() -> Self {
        Self { colours: false }
    }

    /// The text in this colour. Its width does not change.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Red => "1;31",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
