//! Lineage tokens: an event's place in its cascade, as text that a host
//! application carries and cannot make.
//!
//! 69 bytes, as base64url without padding (RFC 4648, section 5), 92
//! characters: safe in URLs, headers and JSON. In this order, numbers
//! big-endian:
//!
//! | bytes | |
//! |---|---|
//! | 1 | version: 1 |
//! | 4 | number of the key |
//! | 4 | short digest of the tenant's name |
//! | 16 | cascade |
//! | 16 | execution that asked for the action |
//! | 4 | depth of the event that it ran on |
//! | 8 | expiry, in microseconds since 1970 |
//! | 16 | BLAKE3 keyed hash of the above and the tenant's name, its first 128 bits |

use std::fmt;

use crate::{CascadeId, ExecutionId, Lineage, Origin, TenantId};

const VERSION: u8 = 1;
const SIGNED_BYTES: usize = 53;
const MAC_BYTES: usize = 16;
const BYTES: usize = SIGNED_BYTES + MAC_BYTES;
/// Of base64url (RFC 4648, table 2).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What lineage tokens are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct LineageKey {
    /// Greater is newer.
    pub number: u32,
    /// Random.
    pub secret: [u8; 32],
    /// Since when, in microseconds since 1970.
    pub since_us: u64,
}

/// Without the secret, so that no log ever shows it.
impl fmt::Debug for LineageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineageKey")
            .field("number", &self.number)
            .field("since_us", &self.since_us)
            .finish_non_exhaustive()
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineageToken {
    /// In which cascade the action was asked for.
    pub cascade: CascadeId,
    /// By which execution.
    pub execution: ExecutionId,
    /// The depth of the event that this ran on.
    pub depth: u32,
    /// From when it is not taken any more, in microseconds since 1970.
    pub expires_us: u64,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineageError {
    /// It is not such a text: truncated, or something else.
    #[error(
        "it is not a lineage token, which has {} characters",
        LineageToken::CHARS
    )]
    Malformed,
    /// It was made for another tenant.
    #[error("it is a lineage token of another tenant")]
    OtherTenant,
    /// It was not made with a key of this server, or was changed.
    #[error("its signature is not of this server, or its key is not kept any more")]
    Forged,
    /// It is too old.
    #[error("it expired {} seconds ago", since_us / 1_000_000)]
    Expired {
        /// How long ago, in microseconds.
        since_us: u64,
    },
}

impl LineageToken {
    /// Its length as text, in characters and bytes.
    pub const CHARS: usize = BYTES / 3 * 4;

    /// Signs it for a tenant.
    pub fn sign(&self, key: &LineageKey, tenant: &TenantId) -> String {
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&key.number.to_be_bytes());
        bytes[5..9].copy_from_slice(&short_digest(tenant));
        bytes[9..25].copy_from_slice(self.cascade.as_bytes());
        bytes[25..41].copy_from_slice(self.execution.as_bytes());
        bytes[41..45].copy_from_slice(&self.depth.to_be_bytes());
        bytes[45..53].copy_from_slice(&self.expires_us.to_be_bytes());
        let (signed, mac) = bytes.split_at_mut(SIGNED_BYTES);
        mac.copy_from_slice(&mac_of(key, tenant, signed).as_bytes()[..MAC_BYTES]);
        to_text(&bytes)
    }

    /// Reads a token that somebody returned for this tenant. What a token of
    /// another tenant says, and whether it is genuine, is not looked at.
    /// `now_us` is in microseconds since 1970.
    pub fn open(
        text: &str,
        keys: &[LineageKey],
        tenant: &TenantId,
        now_us: u64,
    ) -> Result<Self, LineageError> {
        let bytes = from_text(text).ok_or(LineageError::Malformed)?;
        if bytes[0] != VERSION {
            return Err(LineageError::Malformed);
        }
        if bytes[5..9] != short_digest(tenant) {
            return Err(LineageError::OtherTenant);
        }
        let number = u32::from_be_bytes(array(&bytes, 1));
        let key = keys.iter().find(|key| key.number == number);
        let key = key.ok_or(LineageError::Forged)?;
        let (signed, given) = bytes.split_at(SIGNED_BYTES);
        // Compared as whole hashes, because that takes the same time wherever
        // they differ.
        let mut mac = *mac_of(key, tenant, signed).as_bytes();
        mac[MAC_BYTES..].fill(0);
        let mut claimed = [0; 32];
        claimed[..MAC_BYTES].copy_from_slice(given);
        if blake3::Hash::from_bytes(mac) != blake3::Hash::from_bytes(claimed) {
            return Err(LineageError::Forged);
        }
        let token = Self {
            cascade: CascadeId::from_bytes(array(&bytes, 9)),
            execution: ExecutionId::from_bytes(array(&bytes, 25)),
            depth: u32::from_be_bytes(array(&bytes, 41)),
            expires_us: u64::from_be_bytes(array(&bytes, 45)),
        };
        match now_us.checked_sub(token.expires_us) {
            Some(since_us) => Err(LineageError::Expired { since_us }),
            None => Ok(token),
        }
    }

    /// The place of an event that came back with it.
    pub fn returned(&self) -> Lineage {
        Lineage {
            cascade: self.cascade,
            depth: self.depth.saturating_add(1),
            parent: Some(self.execution),
            origin: Origin::Returned,
        }
    }
}

/// Tells most tenants apart, so that who mixes them up is told so.
fn short_digest(tenant: &TenantId) -> [u8; 4] {
    let mut hasher = blake3::Hasher::new_derive_key("ringfence 0.1 lineage tenant");
    hasher.update(tenant.as_str().as_bytes());
    array(hasher.finalize().as_bytes(), 0)
}

fn mac_of(key: &LineageKey, tenant: &TenantId, signed: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(&key.secret);
    // Of fixed length, so that it does not run together with the name.
    hasher.update(signed);
    hasher.update(tenant.as_str().as_bytes());
    hasher.finalize()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

// The length is a multiple of three, so that each byte has one text only and
// no bit of the text is unused.
fn to_text(bytes: &[u8; BYTES]) -> String {
    let mut text = String::with_capacity(LineageToken::CHARS);
    for three in bytes.as_chunks::<3>().0 {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(bits >> shift) as usize & 63]));
        }
    }
    text
}

fn from_text(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != LineageToken::CHARS {
        return None;
    }
    let mut bytes = [0; BYTES];
    let threes = bytes.as_chunks_mut::<3>().0.iter_mut();
    for (three, four) in threes.zip(text.as_bytes().as_chunks::<4>().0) {
        let mut bits = 0;
        for letter in four {
            bits = bits << 6 | u32::from(value(*letter)?);
        }
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}

fn value(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn keys() -> impl Strategy<Value = Vec<LineageKey>> {
        prop::collection::vec(any::<[u8; 32]>(), 1..4).prop_map(|secrets| {
            let keys = (1..).zip(secrets).map(|(number, secret)| LineageKey {
                number,
                secret,
                since_us: 0,
            });
            keys.collect()
        })
    }

    fn token() -> impl Strategy<Value = LineageToken> {
        let parts = (
            any::<[u8; 16]>(),
            any::<[u8; 16]>(),
            any::<u32>(),
            1..u64::MAX,
        );
        parts.prop_map(|(cascade, execution, depth, expires_us)| LineageToken {
            cascade: CascadeId::from_bytes(cascade),
            execution: ExecutionId::from_bytes(execution),
            depth,
            expires_us,
        })
    }

    proptest! {
        #[test]
        fn what_was_signed_is_read_until_it_expires(token in token(), keys in keys(), later in 0u64..9) {
            let acme = tenant("acme");
            for key in &keys {
                let text = token.sign(key, &acme);
                prop_assert_eq!(text.len(), LineageToken::CHARS);
                let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                prop_assert!(text.chars().all(safe));
                let open = |now_us| LineageToken::open(&text, &keys, &acme, now_us);
                prop_assert_eq!(open(token.expires_us - 1), Ok(token));
                let expired = Err(LineageError::Expired { since_us: later });
                if let Some(now_us) = token.expires_us.checked_add(later) {
                    prop_assert_eq!(open(now_us), expired);
                }
            }
            let lineage = token.returned();
            prop_assert_eq!(lineage.depth, token.depth.saturating_add(1));
            prop_assert_eq!(lineage.parent, Some(token.execution));
        }

        #[test]
        fn no_part_of_it_is_taken_and_nothing_longer(token in token(), keys in keys(), more in "[A-Za-z0-9_-]{1,8}") {
            let acme = tenant("acme");
            let text = token.sign(&keys[0], &acme);
            for end in 0..text.len() {
                let read = LineageToken::open(&text[..end], &keys, &acme, 0);
                prop_assert_eq!(read, Err(LineageError::Malformed));
            }
            let read = LineageToken::open(&(text + &more), &keys, &acme, 0);
            prop_assert_eq!(read, Err(LineageError::Malformed));
        }

        /// Also where the key is known but another made it.
        #[test]
        fn another_tenants_and_another_servers_are_refused(token in token(), keys in keys(), secret in any::<[u8; 32]>()) {
            let text = token.sign(&keys[0], &tenant("acme"));
            let read = LineageToken::open(&text, &keys, &tenant("umbrella"), 0);
            prop_assert_eq!(read, Err(LineageError::OtherTenant));
            let mut others = keys.clone();
            others[0].secret = secret;
            let read = LineageToken::open(&text, &others, &tenant("acme"), 0);
            prop_assert_eq!(read, Err(LineageError::Forged));
            let read = LineageToken::open(&text, &keys[1..], &tenant("acme"), 0);
            prop_assert_eq!(read, Err(LineageError::Forged));
        }

        #[test]
        fn any_text_gets_an_answer(text in ".{0,100}", keys in keys()) {
            prop_assert!(LineageToken::open(&text, &keys, &tenant("acme"), 0).is_err());
        }
    }

    proptest! {
        // Each case looks at all bits.
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn no_bit_of_it_can_be_changed(token in token(), keys in keys()) {
            let acme = tenant("acme");
            let text = token.sign(&keys[0], &acme);
            let bytes = from_text(&text).unwrap();
            for bit in 0..BYTES * 8 {
                let mut changed = bytes;
                changed[bit / 8] ^= 1 << (bit % 8);
                let read = LineageToken::open(&to_text(&changed), &keys, &acme, 0);
                let expected = match bit / 8 {
                    0 => LineageError::Malformed,
                    5..9 => LineageError::OtherTenant,
                    _ => LineageError::Forged,
                };
                prop_assert_eq!(read, Err(expected), "bit {}", bit);
            }
            for bit in 0..LineageToken::CHARS * 8 {
                let mut changed = text.clone().into_bytes();
                changed[bit / 8] ^= 1 << (bit % 8);
                if let Ok(changed) = String::from_utf8(changed) {
                    prop_assert!(LineageToken::open(&changed, &keys, &acme, 0).is_err());
                }
            }
        }
    }

    #[test]
    fn no_log_shows_the_secret() {
        let key = LineageKey {
            number: 1,
            secret: [201; 32],
            since_us: 2,
        };
        let text = format!("{key:?}");
        assert!(!text.contains("201"), "{text}");
    }
}
