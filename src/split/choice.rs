//! Choices by hash: the same on every machine, in every version, for rows in any order.

/// A random number below a limit, of 64 random bits.
pub(super) fn below(random: u64, limit: u64) -> Option<u64> {
    (limit > 0).then(|| ((u128::from(random) * u128::from(limit)) >> 64) as u64)
}

/// A hash that is the same on every machine and in every version (SplitMix64 of both).
pub(super) fn hash(seed: u64, value: u64) -> u64 {
    mix(mix(seed).wrapping_add(value))
}

fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
