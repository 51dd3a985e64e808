//! From what `desired` says of objects to sentences with file, line and column.

use crds::ConditionType;
use desired::{Finding, Report};

use super::manifests::{Manifests, Problem};

/// Everything wrong in these reports, placed in the manifests.
pub(crate) fn problems(reports: &[Report], manifests: &Manifests) -> Vec<Problem> {
    reports.iter().flat_map(|report| of_report(report, manifests)).collect()
}

fn of_report(report: &Report, manifests: &Manifests) -> Vec<Problem> {
    let placed = report.findings.iter().map(|finding| place(report, finding, manifests));
    let mut problems: Vec<Problem> = placed.collect();
    let stalled = report.status.condition(ConditionType::Stalled);
    if let Some(stalled) = stalled.filter(|_| problems.is_empty()) {
        problems.push(Problem {
            file: manifests.find(report.kind, &report.object).map(|placed| placed.file.clone()),
            at: None,
            about: format!("{} {}: {}", report.kind, report.object, stalled.reason),
            message: stalled.message.clone(),
            is_error: true,
        });
    }
    problems
}

fn place(report: &Report, finding: &Finding, manifests: &Manifests) -> Problem {
    let document = match &finding.config_map {
        Some(name) => manifests.config_maps.get(name),
        None => manifests.find(report.kind, &report.object),
    };
    match document {
        Some(placed) => placed.problem(&finding.path, finding.text_at, finding.message.clone(), finding.is_error),
        None => Problem {
            file: None,
            at: None,
            about: format!("{} {}: {}", report.kind, report.object, finding.path),
            message: finding.message.clone(),
            is_error: finding.is_error,
        },
    }
}
