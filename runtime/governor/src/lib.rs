//! Every decision about what may run and when, as pure state machines.
