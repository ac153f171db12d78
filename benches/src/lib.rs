//! Ringfence measured beside its peers on the same work.
