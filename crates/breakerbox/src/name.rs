//! The name of a breaker, which every rejection carries.

use crate::lock::lock;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

/// So many names are kept for ever, so that copying one costs nothing.
const KEPT: usize = 4096;

/// The name of a breaker.
///
/// The first 4,096 different names of a process are kept for its lifetime and cost nothing to
/// clone, so that rejecting a call does not make threads fight over a count of references. Further
/// ones are counted and freed.
///
/// ```
/// use breakerbox::Breaker;
///
/// let breaker = Breaker::new("posts");
/// assert_eq!(breaker.name().as_str(), "posts");
/// assert!(breaker.name().starts_with("post"));
/// ```
#[derive(Clone)]
pub struct Name(Kind);

#[derive(Clone)]
enum Kind {
    Kept(&'static str),
    Counted(Arc<str>),
}

impl Name {
    pub(crate) fn new(name: &str) -> Self {
        static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
        let mut names = lock(&NAMES);
        let names = names.get_or_insert_default();
        Self(match names.get(name) {
            Some(kept) => Kind::Kept(kept),
            None if names.len() == KEPT => Kind::Counted(name.into()),
            None => {
                let kept: &'static str = Box::leak(name.into());
                names.insert(kept);
                Kind::Kept(kept)
            }
        })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Kind::Kept(name) => name,
            Kind::Counted(name) => name,
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_beyond_the_limit_it_is_counted() {
        let (one, two) = (Name::new("posts"), Name::new("posts"));
        assert!(std::ptr::eq(one.as_str(), two.as_str()));
        let names: Vec<_> = (0..=KEPT).map(|number| Name::new(&format!("n{number}"))).collect();
        assert!(matches!(names[KEPT].0, Kind::Counted(_)));
        assert_eq!(names[KEPT].as_str(), format!("n{KEPT}"));
        assert_eq!(Name::new(&format!("n{KEPT}")), names[KEPT]);
    }
}
