//! Metrics of breakers and pipelines, for whatever recorder of the crate `metrics` a program has.
//!
//! No call counts anything for them: an [`Exporter`] reads what the policies know anyway and sets the
//! metrics to it, whenever it is told to.
//!
//! ```
//! use breakerbox::metrics::Exporter;
//! use breakerbox::{Breaker, Pipeline, retry};
//! # fn install_a_recorder() {}
//!
//! install_a_recorder(); // of metrics-exporter-prometheus, for instance
//! let posts = Pipeline::builder("posts").retry(retry::Settings::default()).build()?;
//! let disk = Breaker::new("disk");
//!
//! let exporter = Exporter::new().with(&posts).with(&disk);
//! // Before each scrape, or every few seconds:
//! exporter.publish();
//! assert_eq!(exporter.len(), 2);
//! # Ok::<(), breakerbox::BuildError>(())
//! ```
//!
//! `docs/observability.md` has every metric and what it means. All have the label `name`; the names of the
//! metrics are those of the gateway, where they mean the same.

mod breaker;
mod calls;
mod metric;
mod policies;
mod source;

use crate::Registry;
use crate::clock::Clock;
use crate::lock::lock;
use crate::observable::sealed::Sealed as _;
use crate::observable::{Observable, Source};
use metric::Metric;
use source::Watched;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

/// Publishes what breakers and pipelines have seen as metrics.
///
/// It publishes when [`publish`](Self::publish) is called, and through the recorder that is installed
/// then. Counters are set to what has been counted since the breaker or pipeline was made, so that nothing
/// is lost between two calls, nor what was before the first, but for changes of state by from and to:
/// those are counted while the exporter is there, by a listener that makes no good call slower.
///
/// It does not keep breakers and pipelines alive. When one is gone its gauges are set once, to 0 what
/// counts calls, keys and states, to `NaN` rates, levels and limits; its counters stay. Its name is its label: give each another, and a new one no old name, since counters
/// never go down.
///
/// ```
/// use breakerbox::Breaker;
/// use breakerbox::metrics::Exporter;
///
/// let exporter = Exporter::new();
/// let posts = Breaker::new("posts");
/// exporter.add(&posts);
/// exporter.add(&posts); // it is there already
/// assert_eq!(exporter.len(), 1);
/// drop(posts);
/// exporter.publish();
/// assert!(exporter.is_empty());
/// ```
#[derive(Default)]
pub struct Exporter {
    /// By where their parts that clones share lie. While they are here nothing else can lie there.
    watched: Mutex<BTreeMap<usize, Watched>>,
    registries: Vec<AllOf>,
}

/// Reads what a registry holds.
type AllOf = Box<dyn Fn() -> Vec<Arc<dyn Source>> + Send + Sync>;

impl Exporter {
    /// Publishes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes this one too.
    #[must_use]
    pub fn with(self, observable: &impl Observable) -> Self {
        self.add(observable);
        self
    }

    /// Publishes all breakers of a registry, those too that it is still to get. One that is taken out is
    /// published for as long as somebody has it.
    ///
    /// ```
    /// use breakerbox::Registry;
    /// use breakerbox::metrics::Exporter;
    /// use std::sync::Arc;
    ///
    /// let registry = Arc::new(Registry::new());
    /// let exporter = Exporter::new().with_registry(Arc::clone(&registry)); // or one that is `&'static`
    /// registry.or_insert_with("posts", |it| it.build())?;
    /// exporter.publish();
    /// assert_eq!(exporter.len(), 1);
    /// # Ok::<(), breakerbox::RegistryError>(())
    /// ```
    #[must_use]
    pub fn with_registry<R, C>(mut self, registry: R) -> Self
    where
        R: Deref<Target = Registry<C>> + Send + Sync + 'static,
        C: Clock + Send + Sync + 'static,
    {
        self.registries.push(Box::new(move || registry.iter().map(|it| it.source()).collect()));
        self
    }

    /// The same as [`with`](Self::with) for an exporter that is in use.
    pub fn add(&self, observable: &impl Observable) {
        add(&mut self.lock(), &observable.source());
    }

    /// Sets all metrics to what has been counted until now.
    pub fn publish(&self) {
        all().for_each(Metric::describe);
        // Those that read take locks of their own, and run listeners: not under this one.
        let registered: Vec<_> = self.registries.iter().flat_map(|registry| registry()).collect();
        let (mut present, mut gone) = (Vec::new(), Vec::new());
        let mut watched = self.lock();
        registered.iter().for_each(|source| add(&mut watched, source));
        watched.retain(|_, it| match it.source() {
            Some(source) => {
                present.push((source, it.seen()));
                true
            }
            None => {
                gone.push(it.seen());
                false
            }
        });
        drop(watched);
        gone.iter().for_each(|seen| seen.forget());
        present.iter().for_each(|(source, seen)| seen.publish(&**source));
    }

    /// How many breakers and pipelines were there when it last published, and have been added since.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Watched>> {
        lock(&self.watched)
    }
}

fn add(watched: &mut BTreeMap<usize, Watched>, source: &Arc<dyn Source>) {
    let place = Arc::as_ptr(source).addr();
    watched.entry(place).or_insert_with(|| Watched::new(source));
}

/// All metrics there are.
fn all() -> impl Iterator<Item = &'static Metric> {
    calls::METRICS.iter().chain(breaker::METRICS).chain(policies::METRICS)
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("watched", &self.len()).finish_non_exhaustive()
    }
}
