//! From custom resources to what workers are told and what users are told: pure, no clock, no I/O.
//!
//! [`resolve`] takes the [`World`] as it was observed and gives a [`Resolved`]: the desired state of each broker and pipeline, and for each
//! object its status with conditions. It is level-triggered: the same world gives the same result, and doing it again after its result was
//! applied gives a smaller difference, until nothing is left to do. The operator calls it for a Kubernetes cluster, `streamwright dev` for a
//! folder; what differs between the two is [`Place`].
//!
//! What must outlive a call is in three places: the objects' own status, the brokers' and pipelines' actual state, and [`Memory`], which
//! holds what was decided last for each pipeline and broker (so that a bad new query never stops the version that runs).

mod clusters;
mod deployment;
mod lookup;
mod names;
mod orphans;
mod pipeline_report;
mod pipelines;
mod plan;
mod proposals;
mod query;
mod question;
mod report;
mod retention;
mod rounding;
mod tables;
mod topic_report;
mod topics;
mod world;

pub use deployment::Deployment;
pub use names::{dead_letters, internal_prefix};
pub use pipeline_report::is_finished;
pub use plan::{InProcess, Planned, PlannedOperator, Planner};
pub use proposals::{MADE_BY, TopicChange, object_name};
pub use question::{Answer, Question};
pub use report::{Finding, Report, Status};
pub use sql::{Catalog, PlanError};
pub use world::{AppliedPipeline, DeadLetters, Memory, Place, Resolved, World};

/// Resolves a whole world. `now` becomes the transition time of conditions whose status changed.
#[must_use]
pub fn resolve(world: &World, memory: &Memory, planner: &dyn Planner, now: crds::Timestamp) -> Resolved {
    let clusters = clusters::Clusters::new(world);
    let policies = retention::Policies::new(world);
    let topics = topics::resolve(world, &clusters, &policies);
    let pipelines = pipelines::resolve(world, &clusters, &topics, memory, planner);
    let (brokers, topic_changes) = clusters.brokers(world, memory, &topics, &pipelines);
    let dead_letters = pipelines.iter().filter_map(|pipeline| pipeline.dead_letters(&clusters, &topics)).collect();
    let mut reports = Vec::with_capacity(world.clusters.len() + world.policies.len() + world.topics.len() + world.pipelines.len());
    reports.extend(clusters.reports(now));
    reports.extend(policies.reports(now));
    reports.extend(topics.topics.iter().map(|topic| topic_report::report(world, topic, now)));
    reports.extend(
        pipelines.iter().filter(|pipeline| !pipeline.is_being_planned()).map(|pipeline| pipeline_report::report(world, pipeline, now)),
    );
    let memory = Memory { brokers: brokers.clone(), pipelines: pipelines.iter().filter_map(|pipeline| pipeline.applied.clone()).collect() };
    Resolved {
        brokers,
        pipelines: pipelines.into_iter().filter_map(pipelines::ResolvedPipeline::runnable).collect(),
        reports,
        dead_letters,
        topic_changes,
        memory,
    }
}
