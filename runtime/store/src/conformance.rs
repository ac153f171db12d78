//! What any implementation must pass.
