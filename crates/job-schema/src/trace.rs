//! Trace context (W3C Trace Context, level 1, §3.2): what joins everything that is said about a job to the request that
//! made it.
//!
//! A context is kept and sent as text. One that cannot be read joins nothing, and is no reason to refuse a job.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

/// A `traceparent` of version 00: `00-<trace id>-<parent id>-<flags>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, the same at every hop.
    trace_id: NonZeroU128,
    /// The hop that sent it.
    parent_id: NonZeroU64,
    /// Bit 0: somebody may have recorded it.
    flags: u8,
}

impl TraceContext {
    /// A sampled context of a new trace.
    pub const fn root(trace_id: NonZeroU128, parent_id: NonZeroU64) -> Self {
        Self { trace_id, parent_id, flags: 1 }
    }

    /// Reads a `traceparent`. Version 00 only: what a later version means, its readers must say.
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('-').collect();
        let [version, trace_id, parent_id, flags] = fields[..] else { return None };
        let is_whole = is_hex(trace_id, 32) && is_hex(parent_id, 16) && is_hex(flags, 2);
        if version != "00" || !is_whole {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let trace_id = NonZeroU128::new(u128::from_str_radix(trace_id, 16).ok()?)?;
        let parent_id = NonZeroU64::new(u64::from_str_radix(parent_id, 16).ok()?)?;
        Some(Self { trace_id, parent_id, flags })
    }

    /// The same trace as its next hop sends it on.
    #[must_use]
    pub const fn child(self, parent_id: NonZeroU64) -> Self {
        Self { parent_id, ..self }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

/// Lower-case only, as the standard says.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn only_whole_version_00_contexts_are_read() {
        for good in ["b7ad6b7169203331-01", "0000000000000001-00", "b7ad6b7169203331-ff"] {
            let text = format!("00-{TRACE}-{good}");
            let context = TraceContext::parse(&text).unwrap();
            assert_eq!((context.to_string(), context.trace_id()), (text, TRACE.to_owned()));
        }
        for bad in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_hop_has_its_own_id_in_the_same_trace() {
        let context = TraceContext::parse(&format!("00-{TRACE}-b7ad6b7169203331-00")).unwrap();
        let child = context.child(NonZeroU64::new(0x2a).unwrap());
        assert_eq!(child.to_string(), format!("00-{TRACE}-000000000000002a-00"));
        let root = TraceContext::root(NonZeroU128::MIN, NonZeroU64::MIN);
        assert_eq!(root.to_string(), format!("00-{:032x}-{:016x}-01", 1, 1));
    }
}
