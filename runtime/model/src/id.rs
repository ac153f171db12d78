//! Names of things that are derived from their content or their cause, so
//! that doing work twice yields the same names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Event, RuleName, TenantId};

/// A text is not an id: wrong length or not lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {what}: {digits} lower-case hexadecimal digits are expected")]
pub struct IdError {
    what: &'static str,
    digits: usize,
    given: String,
}

fn parse_hex<const N: usize>(what: &'static str, text: &str) -> Result<[u8; N], IdError> {
    let error = || IdError {
        what,
        digits: N * 2,
        given: text.chars().take(80).collect(),
    };
    if text.len() != N * 2 {
        return Err(error());
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(error()),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Takes the bytes as they are.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes themselves.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex($what, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<str>::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A BLAKE3 digest of 32 bytes.
    Digest, 32, "a digest"
);
id!(
    /// One uploaded component: the BLAKE3 digest of the bytes as uploaded.
    VersionId, 32, "a version"
);
id!(
    /// An event within Ringfence. A root event's id is derived from its
    /// tenant, source and CloudEvents id, so that the same event sent twice
    /// is one event; a follow-up's from the run that emitted it.
    EventId, 16, "an event id"
);
id!(
    /// One rule version on one event.
    ExecutionId, 16, "an execution id"
);
id!(
    /// One effect of one execution.
    EffectId, 16, "an effect id"
);

/// A cascade is named by its root event.
pub type CascadeId = EventId;

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl VersionId {
    /// Of these bytes, as uploaded.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// Hashes fields under a domain, each with its length before it, so that no
/// two different lists of fields are the same input.
fn derive(domain: &str, fields: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    bytes
}

/// With how many bytes of time some ids begin.
const TIME_BYTES: usize = 6;

impl EventId {
    /// Of an event from outside. CloudEvents promises that (source, id) is
    /// unique for a producer.
    pub fn root(tenant: &TenantId, source: &str, id: &str) -> Self {
        Self(derive(
            "ringfence 0.1 root event",
            &[tenant.as_str().as_bytes(), source.as_bytes(), id.as_bytes()],
        ))
    }

    /// Of the event that is effect number `index` of a run. It begins with the
    /// time that the run's id begins with.
    pub fn follow_up(run: ExecutionId, index: u32) -> Self {
        let fields: [&[u8]; 2] = [run.as_bytes(), &index.to_le_bytes()];
        let mut bytes = derive("ringfence 0.1 follow-up event", &fields);
        bytes[..TIME_BYTES].copy_from_slice(&run.0[..TIME_BYTES]);
        Self(bytes)
    }
}

impl ExecutionId {
    /// Of this rule version on this event. As in UUIDv7 (RFC 9562), the first 48
    /// bits are a time, that of the event's acceptance in milliseconds since
    /// 1970: so ids made at about the same time are kept close to each other.
    pub fn of(event: &Event, rule: &RuleName, version: VersionId) -> Self {
        let mut bytes = of_run("ringfence 0.1 execution", event.id, rule, version, 0);
        let time = (event.accepted_us / 1_000).to_be_bytes();
        bytes[..TIME_BYTES].copy_from_slice(&time[8 - TIME_BYTES..]);
        Self(bytes)
    }
}

impl EffectId {
    /// Of effect number `index` of a run.
    pub fn of(event: EventId, rule: &RuleName, version: VersionId, index: u32) -> Self {
        Self(of_run("ringfence 0.1 effect", event, rule, version, index))
    }
}

// The rule's name is part of it because one component may be in force under
// two names with two configurations.
fn of_run(
    domain: &str,
    event: EventId,
    rule: &RuleName,
    version: VersionId,
    index: u32,
) -> [u8; 16] {
    derive(
        domain,
        &[
            event.as_bytes(),
            rule.as_str().as_bytes(),
            version.as_bytes(),
            &index.to_le_bytes(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_text() {
        let id = EventId::root(&"acme".parse().unwrap(), "/crm", "e1");
        assert_eq!(id.to_string().parse::<EventId>().unwrap(), id);
        assert_eq!(
            serde_json::from_str::<EventId>(&serde_json::to_string(&id).unwrap()).unwrap(),
            id
        );
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in ["", "zz", "ABCDEF0123456789ABCDEF0123456789", "é"] {
            let error = text.parse::<EventId>().unwrap_err();
            assert!(error.to_string().contains("32 lower-case"), "{error}");
        }
    }

    #[test]
    fn fields_do_not_run_together() {
        let tenant: TenantId = "t".parse().unwrap();
        assert_ne!(
            EventId::root(&tenant, "ab", "c"),
            EventId::root(&tenant, "a", "bc")
        );
    }

    #[test]
    fn one_component_under_two_names_makes_two_events() {
        let version = VersionId::of(b"component");
        let event = event(1_234_567);
        let run = |rule: &str| ExecutionId::of(&event, &rule.parse().unwrap(), version);
        let of_runs = ["a", "b"].map(|rule| EventId::follow_up(run(rule), 0));
        assert_ne!(of_runs[0], of_runs[1]);
        assert_ne!(of_runs[0], EventId::follow_up(run("a"), 1));
    }

    fn event(accepted_us: u64) -> Event {
        let tenant: TenantId = "acme".parse().unwrap();
        let id = EventId::root(&tenant, "/crm", "e1");
        Event {
            id,
            tenant,
            ce_id: "e1".into(),
            source: "/crm".into(),
            ty: "t".into(),
            subject: None,
            time: String::new(),
            data: crate::Json::null(),
            accepted_us,
            lineage: crate::Lineage::root(id),
            ancestry: crate::Ancestry::default(),
        }
    }

    #[test]
    fn ids_of_runs_and_follow_ups_are_in_the_order_of_time() {
        let rule = "a".parse().unwrap();
        let run = |us| ExecutionId::of(&event(us), &rule, VersionId::of(b"component"));
        // As they were accepted, in milliseconds; the latest has 48 bits.
        let ids = [
            0,
            1_000,
            256_000,
            1_764_000_000_000_000,
            281_474_976_710_655_999,
        ]
        .map(run);
        assert!(ids.is_sorted(), "{ids:?}");
        let follow_ups = ids.map(|run| EventId::follow_up(run, 0));
        assert!(follow_ups.is_sorted(), "{follow_ups:?}");
        assert!(
            ids[3]
                .to_string()
                .starts_with(&format!("{:012x}", 1_764_000_000_000_u64))
        );
    }
}
