//! Quantiles of samples that were measured.

/// The value that `thousandths` of 1000 of the samples do not exceed, by the nearest rank: always one that was measured.
/// Nothing of no samples.
///
/// `sorted`: the samples, the smallest first. `thousandths`: 0 to 1000; 0 is the smallest, 1000 the largest.
pub fn nearest_rank<T: Copy>(sorted: &[T], thousandths: usize) -> Option<T> {
    let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        assert_eq!(nearest_rank::<u8>(&[], 500), None);
        assert_eq!(nearest_rank(&[3], 0), Some(3));
        assert_eq!(nearest_rank(&[3], 1000), Some(3));
        let ten: Vec<u8> = (1..=10).collect();
        let at = [0, 100, 101, 500, 900, 901, 1000].map(|q| nearest_rank(&ten, q));
        assert_eq!(at, [1, 1, 2, 5, 9, 10, 10].map(Some));
    }
}
