//! What a key of a table was found to be.

use super::span::{Located, Span};

/// What a key of a table was found to be.
///
/// ```
/// use breakerbox::config::{Field, Located, Span};
///
/// // As in the file `times = 3`.
/// let (value, key) = (Span { start: 8, end: 9 }, Span { start: 0, end: 5 });
/// let times = Field::Given(Located { value: 3, span: value, key });
/// assert_eq!((times.value(), times.span()), (Some(&3), Some(value)));
/// assert_eq!(times.required(), Some(3));
/// assert_eq!(Field::<u8>::Absent.value(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Field<T> {
    /// The table does not have the key, and it need not.
    Absent,
    /// It is wrong, missing or misspelt, and that has been reported.
    Broken,
    /// The value, given or by default.
    Given(Located<T>),
}

impl<T> Field<T> {
    /// The value with its place, where there is one.
    pub fn located(&self) -> Option<&Located<T>> {
        match self {
            Self::Given(located) => Some(located),
            Self::Absent | Self::Broken => None,
        }
    }

    /// The value, where there is one.
    pub fn value(&self) -> Option<&T> {
        self.located().map(|located| &located.value)
    }

    /// Where the value stands, if there is one.
    pub fn span(&self) -> Option<Span> {
        self.located().map(|located| located.span)
    }

    /// The value of a key that is required or has a default; `None` where it is broken.
    pub fn required(self) -> Option<T> {
        match self {
            Self::Given(located) => Some(located.value),
            Self::Absent | Self::Broken => None,
        }
    }

    /// The value of a key that can be left out; the outer `None` where it is broken.
    ///
    /// ```
    /// use breakerbox::config::Field;
    ///
    /// assert_eq!(Field::<u8>::Absent.optional(), Some(None));
    /// assert_eq!(Field::<u8>::Broken.optional(), None);
    /// ```
    pub fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Given(located) => Some(Some(located.value)),
            Self::Absent => Some(None),
            Self::Broken => None,
        }
    }
}
