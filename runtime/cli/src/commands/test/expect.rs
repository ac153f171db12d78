//! What a fixture expects, and whether it came so.

use anyhow::{Context as _, Result, bail};
use ringfence_model::{Effect, Stop, StopCode};
use ringfence_sandbox::RunReport;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diff::differences;

/// What should come of a fixture's run: one of the first three.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// These effects, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effects: Option<Vec<Effect>>,
    /// A stop with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<StopCode>,
    /// A failure of this kind, which is a stop `rule-failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<FailureKind>,
    /// At most so much fuel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_fuel: Option<u64>,
}

/// Which failure a rule returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FailureKind {
    InvalidEvent,
    InvalidConfig,
    Internal,
}

impl FailureKind {
    const ALL: [(Self, &'static str); 3] = [
        (Self::InvalidEvent, "invalid-event"),
        (Self::InvalidConfig, "invalid-config"),
        (Self::Internal, "internal"),
    ];

    /// Of a stop `rule-failed`, whose message names it.
    fn of(stop: &Stop) -> Option<(Self, &'static str)> {
        let told = |name: &str| stop.message.contains(&format!("({name})"));
        let named = || Self::ALL.into_iter().find(|(_, name)| told(name));
        (stop.code == StopCode::RuleFailed).then(named).flatten()
    }
}

impl Expect {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let expect: Self = serde_json::from_str(text).context("`expect` cannot be used")?;
        let given = [
            expect.effects.is_some(),
            expect.stop.is_some(),
            expect.failure.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            bail!("`expect` has to hold one of `effects`, `stop` and `failure`");
        }
        Ok(expect)
    }

    /// What did not come as expected, in words.
    pub(super) fn problems(&self, report: &RunReport) -> Result<Vec<String>> {
        let mut problems = match (&report.outcome, &self.effects) {
            (Ok(effects), Some(expected)) => differences(&value(expected)?, &value(effects)?),
            (Ok(effects), None) => {
                vec![format!(
                    "expected {}, got {} effects",
                    self.stopped(),
                    effects.len()
                )]
            }
            (Err(stop), _) if self.allows(stop) => Vec::new(),
            (Err(stop), expected) => {
                let expected = match expected {
                    Some(effects) => format!("{} effects", effects.len()),
                    None => self.stopped(),
                };
                vec![format!(
                    "expected {expected}, got the stop `{}`: {}",
                    stop.code, stop.message
                )]
            }
        };
        if let Some(max) = self.max_fuel
            && report.usage.fuel > max
        {
            let used = report.usage.fuel;
            problems.push(format!("used {used} fuel; `max_fuel` allows {max}"));
        }
        Ok(problems)
    }

    fn stopped(&self) -> String {
        match (self.stop, self.failure) {
            (Some(code), _) => format!("the stop `{code}`"),
            (_, Some(failure)) => {
                let name = FailureKind::ALL
                    .into_iter()
                    .find(|(kind, _)| *kind == failure);
                format!("the failure `{}`", name.map_or("?", |(_, name)| name))
            }
            (None, None) => "effects".to_owned(),
        }
    }

    fn allows(&self, stop: &Stop) -> bool {
        match (self.stop, self.failure) {
            (Some(code), _) => code == stop.code,
            (_, Some(failure)) => FailureKind::of(stop).is_some_and(|(kind, _)| kind == failure),
            (None, None) => false,
        }
    }

    /// What did come, to be expected from now on. A bound on fuel is kept,
    /// and raised only if it was exceeded, with room for a fifth more.
    pub(super) fn recorded(report: &RunReport, before: Option<&Self>) -> Self {
        let mut expect = match &report.outcome {
            Ok(effects) => Self {
                effects: Some(effects.clone()),
                ..Self::default()
            },
            Err(stop) => match FailureKind::of(stop) {
                Some((failure, _)) => Self {
                    failure: Some(failure),
                    ..Self::default()
                },
                None => Self {
                    stop: Some(stop.code),
                    ..Self::default()
                },
            },
        };
        let fuel = report.usage.fuel;
        expect.max_fuel = before.and_then(|before| before.max_fuel).map(|max| {
            if fuel <= max {
                max
            } else {
                (fuel + fuel / 5).next_multiple_of(1_000)
            }
        });
        expect
    }
}

fn value(effects: &[Effect]) -> Result<Value> {
    serde_json::to_value(effects).context("effects cannot be shown as JSON")
}
