//! Lineage: signed on effects that go out, read on events that come back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use parking_lot::RwLock;
use ringfence_model::{Lineage, LineageError, LineageKey, LineageToken, TenantId};
use ringfence_store::{Outgoing, Store, StoreError};
use tokio::sync::Mutex;

use crate::app::App;
use crate::cloudevents::Refusal;
use crate::problem::Kind;

/// The CloudEvents extension attribute.
pub(crate) const ATTRIBUTE: &str = "ringfencelineage";
/// The header, for all events of a request that do not have the attribute.
pub(crate) const HEADER: &str = "Ringfence-Lineage";

/// How often to look for keys that nothing is signed with any more.
const TIDY_EVERY: Duration = Duration::from_secs(60);
const MICROS_PER_SECOND: u64 = 1_000_000;
/// A replaced key signs on while the new one is being written.
const OVERLAP_US: u64 = MICROS_PER_SECOND;

/// The keys that there are, the oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) all: Vec<LineageKey>,
    /// The last of them, which signs.
    newest: LineageKey,
}

impl Keys {
    /// None if there is no key.
    pub(crate) fn of(all: Vec<LineageKey>) -> Option<Self> {
        let newest = all.last()?.clone();
        Some(Self { all, newest })
    }

    /// The lineage of an event that came back with this text in this place.
    pub(crate) fn read(
        &self,
        place: &'static str,
        text: &str,
        tenant: &TenantId,
        now_us: u64,
    ) -> Result<Lineage, Refusal> {
        let opened = LineageToken::open(text, &self.all, tenant, now_us);
        opened.map(|token| token.returned()).map_err(|error| {
            let kind = match error {
                LineageError::Malformed => Kind::LINEAGE_MALFORMED,
                LineageError::Forged => Kind::LINEAGE_FORGED,
                LineageError::Expired { .. } => Kind::LINEAGE_EXPIRED,
                LineageError::OtherTenant => Kind::LINEAGE_OF_OTHER_TENANT,
            };
            let given = match error {
                LineageError::Malformed => format!("; {} bytes were given", text.len()),
                _ => String::new(),
            };
            let detail = format!("`{place}` cannot be taken: {error}{given}.");
            Refusal::new(kind, Some(place), detail)
        })
    }
}

/// The text of the header, if it is there.
pub(crate) fn header(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let malformed = |detail: String| Refusal::new(Kind::LINEAGE_MALFORMED, Some(HEADER), detail);
    if values.next().is_some() {
        return Err(malformed(format!("The header `{HEADER}` is there twice.")));
    }
    let text = value.to_str();
    text.map(|text| Some(text.trim()))
        .map_err(|_| malformed(format!("The header `{HEADER}` is not ASCII.")))
}

/// That an event and the request that it is in say different things.
pub(crate) fn conflict() -> Refusal {
    let detail = format!("The event's `{ATTRIBUTE}` is another than the header `{HEADER}`.");
    Refusal::new(Kind::LINEAGE_CONFLICT, Some(ATTRIBUTE), detail)
}

/// What to do about a refusal of this kind, if it is one of lineage.
pub(crate) fn hint(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::LINEAGE_MALFORMED => {
            "Nothing was accepted. Pass the text on whole, as it came with the effect; an event \
             that no effect caused has none."
        }
        Kind::LINEAGE_FORGED => {
            "Nothing was accepted. Pass the text on unchanged, to the server that the effect came \
             from."
        }
        Kind::LINEAGE_EXPIRED => {
            "Nothing was accepted. Send what an effect causes within `lineage_ttl_s` of taking it; \
             an effect that is taken again has a new token."
        }
        Kind::LINEAGE_OF_OTHER_TENANT => {
            "Nothing was accepted. Send the event for the tenant whose effect caused it."
        }
        Kind::LINEAGE_CONFLICT => {
            "Nothing was accepted. Leave the header out where the events have the attribute."
        }
        _ => return None,
    })
}

/// Signs, and holds the keys.
pub(crate) struct Keyring {
    store: Arc<dyn Store>,
    keys: RwLock<Arc<Keys>>,
    ttl_us: u64,
    /// Held by whoever changes the keys, from the store to here.
    changes: Mutex<()>,
}

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the system gave no randomness for a key: {0}")]
    Randomness(getrandom::Error),
}

impl Keyring {
    /// Reads the keys; the first start makes one. Tokens are valid for
    /// `ttl_s` seconds.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        ttl_s: u64,
        now_us: u64,
    ) -> Result<Self, KeyError> {
        let keys = match Keys::of(store.lineage_keys().await?) {
            Some(keys) => keys,
            None => {
                let first = store.put_lineage_key(secret()?, now_us).await?;
                Keys {
                    all: vec![first.clone()],
                    newest: first,
                }
            }
        };
        Ok(Self {
            store,
            keys: RwLock::new(Arc::new(keys)),
            ttl_us: ttl_s.saturating_mul(MICROS_PER_SECOND),
            changes: Mutex::default(),
        })
    }

    /// The keys that there are now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read())
    }

    /// The token that goes out with an effect.
    pub(crate) fn sign(&self, tenant: &TenantId, effect: &Outgoing, now_us: u64) -> String {
        let token = LineageToken {
            cascade: effect.cascade,
            execution: effect.execution,
            depth: effect.depth,
            expires_us: now_us.saturating_add(self.ttl_us),
        };
        token.sign(&self.keys.read().newest, tenant)
    }

    /// Until when tokens may be valid that were signed with a key which this
    /// one replaced, in microseconds since 1970.
    pub(crate) fn outlived_us(&self, next: &LineageKey) -> u64 {
        let signed_us = next.since_us.saturating_add(OVERLAP_US);
        signed_us.saturating_add(self.ttl_us)
    }

    /// Makes a new key, which signs from now on.
    pub(crate) async fn rotate(&self, now: impl Fn() -> u64) -> Result<LineageKey, KeyError> {
        let _one_at_a_time = self.changes.lock().await;
        let now_us = now();
        self.tidy_keys(now_us).await?;
        let newest = self.store.put_lineage_key(secret()?, now_us).await?;
        let mut all = self.keys().all.clone();
        all.push(newest.clone());
        *self.keys.write() = Arc::new(Keys {
            all,
            newest: newest.clone(),
        });
        Ok(newest)
    }

    /// Removes keys that nothing which is valid is signed with.
    async fn tidy(&self, now_us: u64) -> Result<(), KeyError> {
        let _one_at_a_time = self.changes.lock().await;
        self.tidy_keys(now_us).await
    }

    async fn tidy_keys(&self, now_us: u64) -> Result<(), KeyError> {
        let keys = self.keys();
        let mut pairs = keys.all.windows(2).rev();
        let outlived = pairs.find(|pair| self.outlived_us(&pair[1]) <= now_us);
        let Some(outlived) = outlived.map(|pair| pair[0].number) else {
            return Ok(());
        };
        self.store.remove_lineage_keys(outlived).await?;
        let left = keys.all.iter().filter(|key| key.number > outlived);
        *self.keys.write() = Arc::new(Keys {
            all: left.cloned().collect(),
            newest: keys.newest.clone(),
        });
        tracing::info!(
            up_to = outlived,
            "lineage keys that signed nothing valid were removed"
        );
        Ok(())
    }
}

fn secret() -> Result<[u8; 32], KeyError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(KeyError::Randomness)?;
    Ok(secret)
}

/// Removes old keys until it is aborted.
pub(crate) async fn tidy(app: Arc<App>) {
    loop {
        if let Err(error) = app.lineage.tidy(app.now_us()).await {
            tracing::error!(%error, "old lineage keys are not removed; trying again later");
        }
        tokio::time::sleep(TIDY_EVERY).await;
    }
}
