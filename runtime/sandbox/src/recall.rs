//! Where a run's remembered values come from.

use ringfence_model::Json;

/// Where a run's remembered values come from.
pub trait Recall: Send + Sync + 'static {
    /// The value under this key, as of the start of the run. Called at most
    /// once for each key of a run, on the run's thread, while the run waits:
    /// must be quick.
    ///
    /// # Errors
    /// When remembered values cannot be read now.
    fn recall(&self, key: &str) -> Result<Option<Json>, RecallError>;
}

/// Remembered values cannot be read now. The run is not to blame; it is to be
/// repeated later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("remembered values cannot be read: {0}")]
pub struct RecallError(pub String);

/// For a rule that has remembered nothing yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingRemembered;

impl Recall for NothingRemembered {
    fn recall(&self, _key: &str) -> Result<Option<Json>, RecallError> {
        Ok(None)
    }
}
