//! What is particular to a fleet of many processes.
