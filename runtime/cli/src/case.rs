//! One run, as a file describes it: a CloudEvent, or a fixture, which adds
//! the configuration, what is remembered, the clock, and what is expected.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use ringfence_model::{Ancestry, Event, EventId, Json, Lineage, TenantId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The clock of fixtures that do not set it: 2026-01-01, in milliseconds
/// since 1970.
pub(crate) const FIXTURE_NOW_MS: u64 = 1_767_225_600_000;
/// The time of a fixture's event that does not say it.
const FIXTURE_TIME: &str = "2026-01-01T00:00:00Z";
/// The tenant of runs outside of a server.
const TENANT: &str = "local";

/// One run, ready to be made.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The event, accepted at the time that the run's clock shows.
    pub(crate) event: Event,
    /// The configuration, if it was given.
    pub(crate) config: Option<Json>,
    /// What is remembered.
    pub(crate) recall: BTreeMap<String, Json>,
}

/// A fixture as it is written; a run's bundle has the same shape.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture<'a> {
    /// What the test is about.
    #[serde(default)]
    pub(crate) name: String,
    event: CloudEvent,
    #[serde(default)]
    config: Option<Json>,
    #[serde(default)]
    recall: BTreeMap<String, Json>,
    #[serde(default)]
    now_ms: Option<u64>,
    /// What should come of it, as it is written.
    #[serde(default, borrow)]
    pub(crate) expect: Option<&'a RawValue>,
}

/// A CloudEvent. Other attributes are extensions, which rules do not see.
#[derive(Debug, Deserialize)]
struct CloudEvent {
    #[serde(default)]
    specversion: Option<String>,
    id: String,
    source: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    data: Option<Json>,
    #[serde(default)]
    data_base64: Option<String>,
}

impl<'a> Fixture<'a> {
    /// Reads one.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        serde_json::from_str(text).context("it is not a fixture")
    }

    /// The run that it describes.
    pub(crate) fn case(&self) -> Result<Case> {
        let now_ms = self.now_ms.unwrap_or(FIXTURE_NOW_MS);
        Ok(Case {
            event: self
                .event
                .accepted(now_ms.saturating_mul(1000), FIXTURE_TIME)?,
            config: self.config.clone(),
            recall: self.recall.clone(),
        })
    }
}

impl Case {
    /// Reads a fixture or a bare CloudEvent; the clock of the latter is now.
    pub(crate) fn parse(text: &str, now_us: u64) -> Result<Self> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)
            .context("it is neither a CloudEvent nor a fixture; both are JSON objects")?;
        if members.contains_key("event") {
            return Fixture::parse(text)?.case();
        }
        let event: CloudEvent = serde_json::from_str(text).context("it is not a CloudEvent")?;
        let now = i64::try_from(now_us)
            .ok()
            .and_then(|now_us| jiff::Timestamp::from_microsecond(now_us).ok())
            .context("the machine's clock is out of bounds")?;
        Ok(Self {
            event: event.accepted(now_us, &now.to_string())?,
            config: None,
            recall: BTreeMap::new(),
        })
    }
}

impl CloudEvent {
    /// The event as a server would have accepted it at this time.
    fn accepted(&self, accepted_us: u64, time: &str) -> Result<Event> {
        if let Some(version) = self.specversion.as_deref() {
            ensure!(
                version == "1.0",
                "the event's `specversion` is `{version}`; only 1.0 is understood"
            );
        }
        if self.data_base64.is_some() {
            bail!("the event has `data_base64`; give its JSON as `data`");
        }
        let time = self.time.as_deref().unwrap_or(time);
        time.parse::<jiff::Timestamp>()
            .with_context(|| format!("the event's `time` `{time}` is not RFC 3339"))?;
        let tenant: TenantId = TENANT.parse()?;
        let id = EventId::root(&tenant, &self.source, &self.id);
        let event = Event {
            id,
            tenant,
            ce_id: self.id.clone(),
            source: self.source.clone(),
            ty: self.ty.clone(),
            subject: self.subject.clone(),
            time: time.to_owned(),
            data: self.data.clone().unwrap_or_else(Json::null),
            accepted_us,
            lineage: Lineage::root(id),
            ancestry: Ancestry::default(),
        };
        event.check().context("the event cannot be accepted")?;
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#""event": {"id": "e1", "source": "/crm", "type": "a", "data": {"n": 1}}"#;

    #[test]
    fn an_event_and_a_fixture_are_told_apart() {
        let bare = Case::parse(
            r#"{"specversion": "1.0", "id": "e1", "source": "/crm", "type": "a", "subject": "s"}"#,
            7_000_000,
        )
        .unwrap();
        assert_eq!(bare.event.accepted_us, 7_000_000);
        assert_eq!(bare.event.time, "1970-01-01T00:00:07Z");
        assert_eq!(bare.event.data, Json::null());
        assert_eq!(bare.event.subject.as_deref(), Some("s"));

        let text = format!(r#"{{{EVENT}, "recall": {{"k": 1}}, "now_ms": 5}}"#);
        let fixture = Case::parse(&text, 7).unwrap();
        assert_eq!(fixture.event.accepted_us, 5_000);
        assert_eq!(fixture.event.time, FIXTURE_TIME);
        assert_eq!(fixture.recall["k"].as_str(), "1");
        // The same id, so the same random numbers, as on a server.
        assert_eq!(fixture.event.id, bare.event.id);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("[]", "neither a CloudEvent nor a fixture"),
            (r#"{"id": "e1"}"#, "missing field `source`"),
            (r#"{"event": {}}"#, "missing field `id`"),
            (
                &format!(r#"{{{EVENT}, "expects": {{}}}}"#),
                "unknown field `expects`",
            ),
            (
                r#"{"id": "", "source": "/crm", "type": "a"}"#,
                "`id` is empty",
            ),
            (
                r#"{"specversion": "0.3", "id": "e", "source": "/crm", "type": "a"}"#,
                "only 1.0",
            ),
            (
                r#"{"id": "e", "source": "/crm", "type": "a", "time": "today"}"#,
                "not RFC 3339",
            ),
            (
                r#"{"id": "e", "source": "/crm", "type": "a", "data_base64": "AA=="}"#,
                "data_base64",
            ),
        ] {
            let error = Case::parse(text, 0).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
