//! Takes jobs, runs them in the sandboxed child, uploads and reports
