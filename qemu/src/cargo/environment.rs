//! The environment in which cargo builds: what a user, or a service that tests, has set there must
//! neither change nor break what is built. Counts and audits would speak of other code, and an
//! R3000 would get code that is wrong there.

use std::ffi::OsString;
use std::process::Command;

/// How the names of variables begin that change what cargo builds.
const PREFIXES: [&str; 7] =
    ["CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_HOST_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_", "__CARGO_"];
/// Others that do.
const NAMES: [&str; 4] = ["CARGO_INCREMENTAL", "RUSTFLAGS", "RUSTDOCFLAGS", "RUST_TARGET_PATH"];
/// Those among them that say where, or with how many processes, and not what.
const HARMLESS: [&str; 2] = ["CARGO_BUILD_JOBS", "CARGO_TARGET_DIR"];
/// What names the toolchain. `./x` sets it where it takes Debian's.
const TOOLCHAIN: [&str; 3] = ["RUSTC", "RUSTDOC", "RUSTC_BOOTSTRAP"];
/// The linkers, which `./x` names there too.
const LINKER: (&str, &str) = ("CARGO_TARGET_", "_LINKER");
/// Programs that stand before the compiler. Empty, they overrule the user's configuration too.
const WRAPPERS: [&str; 2] = ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
/// The variable in which `./x` says that it has chosen Debian's toolchain.
const DEBIAN: &str = "AEGIS_DEBIAN_RUST";

/// Takes away from a call of cargo what would change what it builds.
pub fn clean(command: &mut Command) {
    let debian = std::env::var_os(DEBIAN).is_some();
    for name in std::env::vars_os().map(|(name, _)| name).filter(|name| changes_code(name, debian)) {
        command.env_remove(name);
    }
    command.envs(WRAPPERS.map(|name| (name, "")));
}

/// Does this variable change what is built, and is not of `./x` itself?
fn changes_code(name: &OsString, debian: bool) -> bool {
    let Some(name) = name.to_str() else { return false };
    let is_of_x = TOOLCHAIN.contains(&name) || (name.starts_with(LINKER.0) && name.ends_with(LINKER.1));
    if is_of_x {
        return !debian;
    }
    let listed = NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    listed && !HARMLESS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_code_is_taken_away() {
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_BUILD_RUSTC_WRAPPER",
            "CARGO_TARGET_MIPSEL_UNKNOWN_NONE_RUSTFLAGS",
            "CARGO_TARGET_MIPSEL_DEC_NONE_LINKER",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_UNSTABLE_BUILD_STD",
            "CARGO_INCREMENTAL",
            "RUSTC",
        ] {
            assert!(changes_code(&name.into(), false), "{name}");
        }
    }

    #[test]
    fn what_says_where_and_how_fast_stays() {
        for name in ["CARGO_TARGET_DIR", "CARGO_BUILD_JOBS", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO", "PATH", "HOME"]
        {
            assert!(!changes_code(&name.into(), false), "{name}");
        }
    }

    #[test]
    fn the_toolchain_that_x_has_chosen_stays() {
        for name in ["RUSTC", "RUSTC_BOOTSTRAP", "CARGO_TARGET_MIPSEL_DEC_NONE_LINKER"] {
            assert!(!changes_code(&name.into(), true), "{name}");
        }
        assert!(changes_code(&"CARGO_TARGET_MIPSEL_DEC_NONE_RUSTFLAGS".into(), true));
    }
}
