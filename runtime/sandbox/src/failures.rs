//! Uploads that failed: the same bytes under the same limits fail again, so
//! compiling them again is spared.
//!
//! Kept in memory, so another build of the host starts afresh. Where the host
//! may have had a part in it, because it was busy or short of memory, it
//! counts only when it came out so twice in a row: a slow host must not
//! condemn an upload, and a hostile upload must not take a core again and
//! again.

use moka::sync::Cache;
use ringfence_model::{Limits, StopCode, VersionId};

use crate::UploadError;

/// All that is kept, in bytes of messages and of keys.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What an entry takes beside its message, in bytes, rounded up.
const ENTRY_BYTES: usize = 512;

/// How often in a row something that depends on time has to fail.
const SLOW_TIMES: u32 = 2;

/// An upload and all limits that decide about it.
type Key = [u8; 32];

/// Failures by upload and limits.
pub(crate) struct Failures {
    cache: Cache<Key, Failed>,
}

#[derive(Clone)]
struct Failed {
    error: UploadError,
    times: u32,
}

impl Failures {
    /// None yet.
    pub(crate) fn new() -> Self {
        let weigh = |_: &Key, failed: &Failed| {
            let bytes = ENTRY_BYTES + failed.error.to_string().len();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            cache: Cache::builder()
                .max_capacity(BYTES_MAX)
                .weigher(weigh)
                .build(),
        }
    }

    /// How an upload fails under these limits, if that is known.
    pub(crate) fn known(&self, version: VersionId, limits: &Limits) -> Option<UploadError> {
        let failed = self.cache.get(&key(version, limits))?;
        let times = if is_slow(&failed.error) {
            SLOW_TIMES
        } else {
            1
        };
        (failed.times >= times).then_some(failed.error)
    }

    /// An upload failed under these limits.
    pub(crate) fn failed(&self, version: VersionId, limits: &Limits, error: &UploadError) {
        if !is_its_own(error) {
            return;
        }
        let key = key(version, limits);
        let before = self.cache.get(&key).map_or(0, |failed| failed.times);
        let failed = Failed {
            error: error.clone(),
            times: before.saturating_add(1),
        };
        self.cache.insert(key, failed);
        self.cache.run_pending_tasks();
    }

    /// An upload did not fail, so that it was slow before says nothing.
    pub(crate) fn succeeded(&self, version: VersionId, limits: &Limits) {
        self.cache.invalidate(&key(version, limits));
    }
}

/// Whether the upload is to blame, and not the host.
fn is_its_own(error: &UploadError) -> bool {
    // Too large is found out faster than it is looked up.
    !matches!(
        error,
        UploadError::ComponentTooLarge { .. } | UploadError::Unavailable(_)
    )
}

/// Whether a busy host, or one that is short of memory, may have had a part
/// in it.
fn is_slow(error: &UploadError) -> bool {
    match error {
        UploadError::CompileLimit { .. } | UploadError::CompileFailed(_) => true,
        UploadError::DescribeFailed(stop) => {
            matches!(stop.code, StopCode::Deadline | StopCode::CrashedWorker)
        }
        _ => false,
    }
}

/// Of everything that decides about an upload, so that under a raised limit it
/// is tried again.
fn key(version: VersionId, limits: &Limits) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(version.as_bytes());
    for limit in [
        limits.compile_ms,
        limits.compile_memory_bytes,
        limits.fuel,
        limits.deadline_ms,
        limits.memory_bytes,
        limits.output_bytes,
        limits.log_bytes,
    ] {
        hasher.update(&limit.to_le_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use ringfence_model::Stop;

    use super::*;

    fn version() -> VersionId {
        VersionId::of(b"upload")
    }

    #[test]
    fn what_failed_fails_again_until_a_limit_changes() {
        let (failures, limits) = (Failures::new(), Limits::default());
        let error = UploadError::NoWitType;
        assert_eq!(failures.known(version(), &limits), None);
        failures.failed(version(), &limits, &error);
        assert_eq!(failures.known(version(), &limits), Some(error));
        assert_eq!(failures.known(VersionId::of(b"other"), &limits), None);
        let raised = Limits {
            compile_ms: limits.compile_ms + 1,
            ..limits.clone()
        };
        assert_eq!(failures.known(version(), &raised), None);
    }

    #[test]
    fn what_was_slow_is_tried_again_once() {
        let (failures, limits) = (Failures::new(), Limits::default());
        let stop = Stop::new(StopCode::Deadline, "Slow.");
        let error = UploadError::DescribeFailed(Box::new(stop));
        failures.failed(version(), &limits, &error);
        assert_eq!(failures.known(version(), &limits), None);
        failures.succeeded(version(), &limits);
        failures.failed(version(), &limits, &error);
        assert_eq!(failures.known(version(), &limits), None);
        failures.failed(version(), &limits, &error);
        assert_eq!(failures.known(version(), &limits), Some(error));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (failures, limits) = (Failures::new(), Limits::default());
        let error = UploadError::CompileFailed("x".repeat(100_000));
        for number in 0..200u32 {
            let version = VersionId::of(&number.to_le_bytes());
            failures.failed(version, &limits, &error);
        }
        failures.cache.run_pending_tasks();
        assert!(failures.cache.weighted_size() <= BYTES_MAX);
    }
}
