//! Runs the sandbox's compiler and its runs in confined child processes.
