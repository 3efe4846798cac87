//! Bits of a stream, one after the other.

/// What is left of a stretch of bytes, bit by bit; beyond its end there are zeros.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, of which there are 32 at most, first bit highest.
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        let mut value = 0;
        for _ in 0..count.min(32) {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        value
    }

    /// The next Exp-Golomb number (ITU-T H.264, 9.1); `None` for one beyond 16 bits, or beyond the end.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1) == 0 {
            zeros += 1;
            if zeros > 16 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first rows of table 9-2 of ITU-T H.264: 1, 010, 011, 00100.
    #[test]
    fn numbers_of_the_standard() {
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0000]);
        let found: Vec<_> = (0..4).map(|_| bits.exp_golomb()).collect();
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(bits.exp_golomb(), None);
    }
}
