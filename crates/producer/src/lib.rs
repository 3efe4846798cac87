//! HTTP API, dispatcher and result pages
