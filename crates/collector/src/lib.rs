//! Folds events into the job database
