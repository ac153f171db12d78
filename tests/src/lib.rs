//! Whole-system tests, driven through the public surfaces.
