//! The rule attribute of the Ringfence SDK.
