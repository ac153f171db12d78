//! How cycles of rules are told.

use ringfence_engine::{ClosedCycles, Cycle, Cycles};
use ringfence_model::{CyclePolicy, RuleName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{Flaw, Kind, Problem};

/// Cycles that a refusal draws.
const DRAWN_MAX: usize = 10;

/// Rules of which each can set off the next, and the last the first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleCycle)]
pub(crate) struct CycleView {
    /// Drawn for people: `tag-vip → vip.tagged → sync-tags →
    /// conversation.update (act) → conversation.updated → tag-vip`. Long
    /// names are cut, and of more than 20 rules the middle is left out.
    path: String,
    /// Each rule once.
    steps: Vec<StepView>,
}

/// One rule of a cycle, and how it leads to the next.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleCycleStep)]
pub(crate) struct StepView {
    /// The rule.
    #[schema(value_type = String)]
    rule: RuleName,
    /// The event type that leads to the next rule; the first, where there
    /// are several. A final `*` stands for any ending.
    event: String,
    /// The action that comes back as this event; missing if the rule emits
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    action: Option<String>,
}

impl From<&Cycle> for CycleView {
    fn from(cycle: &Cycle) -> Self {
        let steps = cycle.0.iter().map(|hop| StepView {
            rule: hop.rule.clone(),
            event: hop.event.clone(),
            action: hop.action.clone(),
        });
        Self {
            path: cycle.to_string(),
            steps: steps.collect(),
        }
    }
}

/// What an answer says about the cycles that a version closes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClosedCycles)]
pub(crate) struct Said {
    /// The cycles that it closes, each from this rule on; the shortest first,
    /// at most 100. Missing if the tenant allows cycles, because then nobody
    /// looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    cycles: Option<Vec<CycleView>>,
    /// Whether there may be more cycles than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    cycles_truncated: Option<bool>,
}

impl Said {
    /// What is said, and the warning that goes with it. `would` says what the
    /// version does or would do, before `a cycle of rules`.
    pub(crate) fn new(closed: &ClosedCycles, would: &str) -> (Self, Option<String>) {
        let cycles = closed.cycles.as_ref();
        let views = |cycles: &Cycles| cycles.list.iter().map(CycleView::from).collect();
        let said = Self {
            cycles: cycles.map(views),
            cycles_truncated: cycles.map(|cycles| cycles.truncated),
        };
        let warning = cycles.and_then(|cycles| warning(cycles, closed.policy, would));
        (said, warning)
    }
}

fn warning(cycles: &Cycles, policy: CyclePolicy, would: &str) -> Option<String> {
    let refused = match policy {
        CyclePolicy::Refuse => " The tenant's policy refuses such an activation.",
        CyclePolicy::Allow | CyclePolicy::Warn => "",
    };
    let (count, first) = (cycles.list.len(), cycles.list.first());
    let more = if cycles.truncated { "more than " } else { "" };
    Some(match (count, first) {
        (0, _) | (_, None) if !cycles.truncated => return None,
        (0, _) | (_, None) => format!(
            "The tenant's rules are too many, and set off too many of each other, to know whether it {would} a cycle of rules.{refused}"
        ),
        (1, Some(first)) if !cycles.truncated => {
            format!("It {would} a cycle of rules: {first}.{refused}")
        }
        (_, Some(first)) => format!(
            "It {would} {more}{count} cycles of rules, listed in `cycles`; the first: {first}.{refused}"
        ),
    })
}

/// The refusal of an activation, with its cycles drawn.
pub(crate) fn closes_cycle(detail: String, cycles: &Cycles) -> Problem {
    let drawn = cycles.list.iter().take(DRAWN_MAX).map(|cycle| Flaw {
        pointer: "/version".into(),
        detail: cycle.to_string(),
    });
    Problem::new(Kind::CLOSES_CYCLE, detail)
        .at("version")
        .errors(drawn.collect())
        .hint(
            "Let one of these rules declare narrower triggers, emits or acts; or activate it in shadow; or ask the operator to set the tenant's `cycles` to `warn`. `GET /v1/tenants/{tenant}/graph?format=mermaid` draws what is in force.",
        )
}

#[cfg(test)]
mod tests {
    use ringfence_engine::Hop;

    use super::*;

    fn warned(count: usize, truncated: bool, policy: CyclePolicy) -> Option<String> {
        let own = Cycle(vec![Hop {
            rule: "echo".parse().unwrap(),
            event: "said".into(),
            action: None,
        }]);
        let cycles = Cycles {
            list: vec![own; count],
            truncated,
        };
        let closed = ClosedCycles {
            policy,
            cycles: Some(cycles),
        };
        Said::new(&closed, "would close").1
    }

    #[test]
    fn warnings_say_how_many_cycles_there_are() {
        let path = "echo → said → echo.";
        for (count, truncated, parts) in [
            (1, false, ["would close a cycle of rules: ", path]),
            (3, false, ["would close 3 cycles of rules", path]),
            (100, true, ["would close more than 100 cycles", path]),
            (0, true, ["too many", "would close a cycle of rules."]),
        ] {
            let warning = warned(count, truncated, CyclePolicy::Warn).unwrap();
            for part in parts {
                assert!(warning.contains(part), "{warning}");
            }
            assert!(!warning.contains("refuses"), "{warning}");
            let refused = warned(count, truncated, CyclePolicy::Refuse).unwrap();
            assert!(refused.contains("refuses such"), "{refused}");
        }
        assert_eq!(warned(0, false, CyclePolicy::Refuse), None);
    }
}
