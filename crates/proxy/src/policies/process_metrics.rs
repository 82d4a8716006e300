//! The metrics that belong to no upstream.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::AllPolicies;
use super::metrics::{Labels, count, counters, gauge};
use crate::process::{self, Refused};

pub(super) fn encode(all: &AllPolicies, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let process = all.process();
    let help = "Requests that reached no upstream, by what was wrong";
    let mut family = counters(encoder, "breakerbox_requests_refused", help)?;
    for why in Refused::ALL {
        count(&mut family, [("reason", why.name())], process.refused(why))?;
    }
    if let Some(panics) = process::panics() {
        let help = "Panics, each a bug that has cut off a connection";
        let mut family = counters(encoder, "breakerbox_panics", help)?;
        family.encode_counter(&panics, None::<&Exemplar<Labels<'_, 0>, u64>>)?;
    }
    let help = "Always 1; the version is in the label";
    let mut family =
        encoder.encode_descriptor("breakerbox_build_info", help, None, MetricType::Gauge)?;
    gauge(&mut family, [("version", process::VERSION)], 1.0)?;
    let help = "When the process started, in seconds since the beginning of 1970";
    let name = "process_start_time_seconds";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    family.encode_gauge(&process.started().as_secs_f64())
}
