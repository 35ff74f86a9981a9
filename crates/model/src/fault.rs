//! Guarantees broken on demand, in a test-only build (feature `faults`): `VALETKEY_SABOTAGE=name,name`. A test suite that stays
//! green under one of them proves nothing of that guarantee.

/// Whether this guarantee is to be broken. Always `false` without the feature.
#[cfg(feature = "faults")]
pub fn sabotaged(guarantee: &str) -> bool {
    static SABOTAGE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let names = SABOTAGE.get_or_init(|| std::env::var("VALETKEY_SABOTAGE").unwrap_or_default());
    names.split(',').any(|name| name.trim() == guarantee)
}

/// Whether this guarantee is to be broken. Always `false` without the feature.
#[cfg(not(feature = "faults"))]
pub const fn sabotaged(_guarantee: &str) -> bool {
    false
}
