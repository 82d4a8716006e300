//! Breakers by name.

use crate::Name;
use crate::breaker::{Breaker, BuildError, Builder};
use crate::clock::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// So many breakers a registry holds, unless it is told otherwise.
///
/// ```
/// use breakerbox::{DEFAULT_CAPACITY, Registry};
///
/// let registry = Registry::new();
/// for number in 0..DEFAULT_CAPACITY {
///     registry.or_insert_with(&format!("shard {number}"), |it| it.build())?;
/// }
/// assert!(registry.or_insert_with("one more", |it| it.build()).is_err());
/// # Ok::<(), breakerbox::RegistryError>(())
/// ```
pub const DEFAULT_CAPACITY: usize = 1024;

/// Named breakers: made where they are first needed, found again by name, and shown together.
///
/// It holds at most [`DEFAULT_CAPACITY`] of them, or as many as it is told; one more is refused.
/// For breakers per key, a tenant or a host, that come and go, it is not meant.
///
/// ```
/// use breakerbox::{Breaker, Registry, State};
/// use std::time::Duration;
///
/// let registry = Registry::new();
/// let posts = registry.or_insert_with("posts", |it| it.open_for(Duration::from_secs(30)).build())?;
/// let same = registry.or_insert_with("posts", |it| it.build())?;
/// posts.control(breakerbox::Control::Isolate);
/// assert_eq!(same.state(), State::Isolated);
/// assert_eq!(registry.iter().map(|breaker| breaker.name().to_string()).collect::<Vec<_>>(), ["posts"]);
/// # Ok::<(), breakerbox::RegistryError>(())
/// ```
pub struct Registry<C: Clock = SystemClock> {
    breakers: RwLock<BTreeMap<String, Breaker<C>>>,
    capacity: usize,
}

impl<C: Clock> Registry<C> {
    /// An empty registry with the default capacity.
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// An empty registry for at most so many breakers.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { breakers: RwLock::new(BTreeMap::new()), capacity }
    }

    /// The breaker of this name.
    pub fn find(&self, name: &str) -> Option<Breaker<C>> {
        self.read().get(name).cloned()
    }

    /// The breaker of this name; if there is none it is made.
    ///
    /// # Errors
    /// Its settings are refused, it has another name, or the registry is full.
    pub fn or_insert_with(
        &self,
        name: &str,
        make: impl FnOnce(Builder) -> Result<Breaker<C>, BuildError>,
    ) -> Result<Breaker<C>, RegistryError> {
        if let Some(breaker) = self.find(name) {
            return Ok(breaker);
        }
        let made = make(Builder::named(name)).map_err(RegistryError::Build)?;
        if made.name().as_str() != name {
            return Err(RegistryError::Name { name: name.into(), made: made.name().clone() });
        }
        let mut breakers = self.write();
        if let Some(breaker) = breakers.get(name) {
            // Somebody else was quicker.
            return Ok(breaker.clone());
        }
        if breakers.len() >= self.capacity {
            return Err(RegistryError::Full { name: name.into(), capacity: self.capacity });
        }
        breakers.insert(name.into(), made.clone());
        Ok(made)
    }

    /// Takes a breaker out. Those who hold it can go on using it.
    pub fn remove(&self, name: &str) -> Option<Breaker<C>> {
        self.write().remove(name)
    }

    /// All breakers there are now, by name.
    pub fn iter(&self) -> impl Iterator<Item = Breaker<C>> {
        self.read().values().cloned().collect::<Vec<_>>().into_iter()
    }

    /// How many breakers there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Breaker<C>>> {
        self.breakers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Breaker<C>>> {
        self.breakers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> Default for Registry<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Clock> fmt::Debug for Registry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Why a registry has no breaker to give.
///
/// ```
/// use breakerbox::{Registry, RegistryError};
///
/// let registry = Registry::with_capacity(0);
/// let refused = registry.or_insert_with("posts", |it| it.build()).unwrap_err();
/// assert!(matches!(refused, RegistryError::Full { capacity: 0, .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryError {
    /// The settings were refused.
    Build(BuildError),
    /// What was made has another name.
    Name {
        /// The name that was asked for.
        name: String,
        /// The name of what was made.
        made: Name,
    },
    /// It holds as many breakers as it may.
    Full {
        /// The breaker that found no place.
        name: String,
        /// How many there may be.
        capacity: usize,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Name { name, made } => write!(
                f,
                "breaker `{made}` was made where `{name}` was asked for: make it with the builder \
                 that is handed in"
            ),
            Self::Full { name, capacity } => write!(
                f,
                "there is no room for breaker `{name}`: the registry holds {capacity} already; \
                 remove some or make it with a larger capacity"
            ),
        }
    }
}

impl std::error::Error for RegistryError {}
