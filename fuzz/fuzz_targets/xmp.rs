#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../check.rs"]
#[allow(dead_code, reason = "each target uses a part of it")]
mod check;

use check::{check, with_xmp};

fuzz_target!(|bytes: &[u8]| check(&with_xmp(bytes)));
