//! Signatures as by Standard Webhooks: HMAC-SHA256 (RFC 2104) over id, time
//! and body.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A key's bytes: as many as its secret may hold.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key of a secret: `whsec_` and base64 of 24 to 64 bytes. Else what is
/// wrong with it, without the secret.
pub(super) fn key(secret: &str) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "is not `whsec_` and base64 of 24 to 64 bytes";
    let text = secret.strip_prefix("whsec_").ok_or(WRONG)?;
    let key = BASE64.decode(text).map_err(|_| WRONG)?;
    if KEY_BYTES.contains(&key.len()) {
        Ok(key)
    } else {
        Err(WRONG)
    }
}

/// The header `webhook-signature`.
pub(super) fn signature(
    key: &[u8],
    id: &str,
    timestamp: &str,
    body: &[u8],
) -> Result<String, &'static str> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).map_err(|_| "the secret's length is not allowed")?;
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    Ok(format!("v1,{}", BASE64.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the reference implementations are tested with.
    #[test]
    fn it_is_what_standard_webhooks_say() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &key,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signed.unwrap(), expected);
    }

    #[test]
    fn secrets_have_a_form() {
        for (secret, good) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
            ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=", true),
            ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk", true),
            ("whsec_AAECAwQFBgcICQoLDA0ODw==", false),
            ("whsec_not base64 at all, not at all", false),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", false),
            ("", false),
        ] {
            assert_eq!(key(secret).is_ok(), good, "{secret}");
        }
    }
}
