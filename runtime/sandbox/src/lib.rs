//! Compiles and inspects a rule's component, and runs it on one event under
//! limits. Knows no store, no queue, no HTTP and no tokio: every call blocks
//! its thread.

mod api;

pub use api::{
    Inspected, PrepareError, Prepared, Recall, RecallError, Run, RunReport, Sandbox, SandboxConfig,
    SandboxError, UploadError,
};
