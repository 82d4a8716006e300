//! From a request to its response: check, route, prepare, ask the upstream.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use http::{Request, Response, Uri};
use hyper::body::Incoming;

use crate::answers;
use crate::body::ResponseBody;
use crate::config::Config;
use crate::headers::{self, Peer, Refusal};
use crate::policies::AllPolicies;
use crate::pool::InvalidEndpoint;
use crate::process::{Process, Refused};
use crate::router::Router;
use crate::upstream::Upstream;

/// All upstreams and listeners of a configuration, as one core sees them.
#[derive(Debug)]
pub struct Gateway {
    upstreams: Vec<Rc<Upstream>>,
    fronts: Vec<Rc<Front>>,
}

/// What answers the requests of one listener.
#[derive(Debug)]
pub struct Front {
    router: Router<Option<Rc<Upstream>>>,
    trust: bool,
    process: Arc<Process>,
}

impl Gateway {
    /// Builds everything for one core; no connection is made yet.
    ///
    /// # Errors
    ///
    /// Where an endpoint is no address.
    pub fn new(config: &Config, policies: &AllPolicies) -> Result<Self, InvalidEndpoint> {
        let upstreams = config
            .upstreams
            .iter()
            .filter_map(|(name, settings)| {
                let policies = Arc::clone(policies.find(name)?);
                Some((name, Upstream::new(settings, policies)))
            })
            .map(|(name, upstream)| Ok((name.as_str(), Rc::new(upstream?))))
            .collect::<Result<BTreeMap<_, _>, InvalidEndpoint>>()?;
        for (name, settings) in &config.upstreams {
            let fallback = settings.policy.fallback.as_ref().and_then(|it| it.upstream.as_ref());
            let other = fallback.and_then(|other| upstreams.get(other.as_str()));
            if let Some((upstream, other)) = upstreams.get(name.as_str()).zip(other) {
                upstream.set_fallback(other);
            }
        }
        let fronts = config
            .listeners
            .iter()
            .map(|listener| {
                let router = Router::new(&listener.routes, |name| upstreams.get(name).cloned());
                let process = Arc::clone(policies.process());
                Rc::new(Front { router, trust: listener.trust, process })
            })
            .collect();
        Ok(Self { upstreams: upstreams.into_values().collect(), fronts })
    }

    /// What answers on each listener, in the order of the configuration.
    pub fn fronts(&self) -> &[Rc<Front>] {
        &self.fronts
    }

    /// Closes upstream connections that nobody has used lately; to be called every
    /// [`Pool::SWEEP_INTERVAL`](crate::pool::Pool::SWEEP_INTERVAL).
    pub fn sweep(&self) {
        for upstream in &self.upstreams {
            upstream.pool().sweep();
        }
    }
}

impl Front {
    /// Whether the clients of this listener are trusted.
    pub fn trust(&self) -> bool {
        self.trust
    }

    /// A request reaches no upstream.
    pub(crate) fn refuse(&self, why: Refused) {
        self.process.refuse(why);
    }

    /// Answers one request. There is always a response: what goes wrong is said in it.
    ///
    /// `two_lengths`: see [`headers::check`].
    pub async fn handle(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
        two_lengths: bool,
    ) -> Response<ResponseBody> {
        let (mut parts, body) = request.into_parts();
        if let Err(refusal) = headers::check(&parts, two_lengths) {
            self.refuse(match refusal {
                Refusal::BadRequest(_) => Refused::BadRequest,
                Refusal::NotImplemented(_) => Refused::NotImplemented,
            });
            return answers::refused(refusal);
        }
        let found = self.router.find(headers::host(&parts), parts.uri.path());
        let Some((route, upstream)) = found.and_then(|route| {
            let upstream = route.destination().as_ref()?;
            Some((route, upstream))
        }) else {
            self.refuse(Refused::NoRoute);
            return answers::no_route();
        };
        headers::prepare_request(&mut parts, peer);
        // What hyper has put there is for this connection.
        parts.extensions.clear();
        if let Some(Ok(Some(target))) = parts.uri.path_and_query().map(|path| route.rewritten(path))
        {
            parts.uri = Uri::from(target);
        }
        upstream.answer(Request::from_parts(parts, body), peer).await
    }
}
