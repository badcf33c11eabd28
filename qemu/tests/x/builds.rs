//! What is built, in whatever environment, and whatever else does not build.

use super::{MACHINES, check, command};
use aegis_host::cargo::Workspace;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Makes a script that stands in cargo's place; `$CARGO` is the real one.
fn script(directory: &Path, words: &str) -> PathBuf {
    let path = directory.join("cargo");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    std::fs::write(&path, format!("#!/bin/sh\nCARGO={cargo}\n{words}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

/// Says, as cargo would, that `name`, of some kind, has an error.
fn error(kind: &str, name: &str, words: &str) -> String {
    format!(
        r#"printf '%s\n' '{{"reason":"compiler-message","package_id":"path+file:///r#p@0.1.0","manifest_path":"/r/Cargo.toml","target":{{"kind":["{kind}"],"name":"{name}"}},"message":{{"level":"error","message":"x","rendered":"error: {words}\n"}}}}'"#
    )
}

#[test]
fn the_environment_changes_nothing_in_a_guest() {
    let images = Workspace::find(false).unwrap().target.join("images");
    for machine in MACHINES {
        let image = images.join(machine).join("aegis");
        let arguments = ["run", "--machine", machine, "endings", "status"];
        check(command(&arguments).spawn().unwrap(), 7, &[]);
        let before = std::fs::read(&image).unwrap();
        let mut foreign = command(&arguments);
        foreign.env("RUSTFLAGS", "-Dwarnings --cfg=students -Ctarget-cpu=nonsense");
        foreign.env("CARGO_ENCODED_RUSTFLAGS", "-Cnonsense").env("CARGO_BUILD_TARGET", "nonsense");
        foreign.env("RUSTC_WRAPPER", "/bin/false").env("RUSTC_WORKSPACE_WRAPPER", "/bin/false");
        foreign.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_UNSTABLE_BUILD_STD", "nonsense");
        foreign.env("CARGO_TARGET_MIPSEL_DEC_NONE_RUSTFLAGS", "-Cnonsense").env("CARGO_INCREMENTAL", "1");
        // With Debian's toolchain `./x` itself names the linkers.
        if std::env::var_os("AEGIS_DEBIAN_RUST").is_none() {
            foreign.env("CARGO_TARGET_MIPSEL_UNKNOWN_NONE_LINKER", "/bin/false");
        }
        check(foreign.spawn().unwrap(), 7, &[]);
        assert!(before == std::fs::read(&image).unwrap(), "{} is another", image.display());
    }
}

#[test]
fn a_broken_program_stops_only_itself() {
    let directory = tempfile::tempdir().unwrap();
    let broken = error("bin", "broken", "no such word");
    let cargo = script(
        directory.path(),
        &format!("\"$CARGO\" \"$@\" || exit\ncase \"$*\" in *--keep-going*) {broken}; exit 101;; esac"),
    );
    let run = |program: &[&str]| command(&[&["run"], program].concat()).env("CARGO", &cargo).spawn().unwrap();
    check(run(&["endings", "status"]), 7, &["not built, and so not in the image: broken; ./x run broken says why"]);
    check(run(&["broken"]), 1, &["broken does not build:\nerror: no such word\n"]);
    check(run(&["nosuch"]), 1, &["there is no program nosuch", "programs: "]);
}

#[test]
fn a_broken_library_is_named_to_who_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let cargo = script(directory.path(), &format!("{}; exit 101", error("lib", "exos", "no such word")));
    let child = command(&["run", "tour"]).env("CARGO", &cargo).spawn().unwrap();
    check(child, 1, &["tour was not built: exos does not build:\nerror: no such word\n"]);
}

#[test]
fn a_long_build_says_what_it_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let cargo =
        script(directory.path(), "echo '    Blocking waiting for file lock on build directory' >&2\nsleep 5\nexit 1");
    let child = command(&["run"]).env("CARGO", &cargo).spawn().unwrap();
    check(
        child,
        1,
        &[
            "x: building exos-programs, aegis-bench, exos-checks for mipsel-unknown-none: Blocking waiting for file lock",
        ],
    );
}
