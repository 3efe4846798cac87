//! Shared by the end-to-end tests: a fleet under test, a browser, a picture whose every pixel is known.
