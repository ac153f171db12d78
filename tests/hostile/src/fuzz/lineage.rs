//! Texts that a host application returns as lineage.

use ringfence_model::{CascadeId, ExecutionId, LineageError, LineageKey, LineageToken, TenantId};

/// Between the times at which the seeds expire, in microseconds since 1970.
const NOW_US: u64 = 1_000;

fn keys() -> [LineageKey; 2] {
    [1, 2].map(|number| LineageKey {
        number,
        secret: [number as u8; 32],
        since_us: 0,
    })
}

fn tenant(name: &str) -> TenantId {
    name.parse().expect("it is a name")
}

/// Reads these bytes as a token, and says what came of it. What is taken must
/// be, to the letter, what one of the keys signs.
///
/// # Panics
/// When another text is taken.
pub fn lineage(bytes: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return "no text";
    };
    let (keys, acme) = (keys(), tenant("acme"));
    match LineageToken::open(text, &keys, &acme, NOW_US) {
        Ok(token) => {
            let mut signed = keys.iter().map(|key| token.sign(key, &acme));
            assert!(signed.any(|signed| signed == text), "{text:?} is taken");
            "taken"
        }
        Err(LineageError::Malformed) => "malformed",
        Err(LineageError::Forged) => "forged",
        Err(LineageError::OtherTenant) => "other tenant",
        Err(LineageError::Expired { .. }) => "expired",
    }
}

/// Tokens of two tenants and of two times, by each key and one that is not
/// kept.
pub(super) fn tokens() -> Vec<Vec<u8>> {
    let mut tokens = Vec::new();
    let lost = LineageKey {
        number: 3,
        secret: [3; 32],
        since_us: 0,
    };
    for key in keys().iter().chain([&lost]) {
        for (name, expires_us) in [("acme", 2 * NOW_US), ("acme", 1), ("umbrella", 2 * NOW_US)] {
            let token = LineageToken {
                cascade: CascadeId::from_bytes([7; 16]),
                execution: ExecutionId::from_bytes([8; 16]),
                depth: 3,
                expires_us,
            };
            tokens.push(token.sign(key, &tenant(name)).into_bytes());
        }
    }
    tokens
}
