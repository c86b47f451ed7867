//! What the scripts say of a machine that lacks something.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

/// What `need_cargo` says where cargo prints this; nothing stands for no cargo at all.
fn need_cargo(prints: Option<&str>) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(prints) = prints {
        let cargo = folder.path().join("cargo");
        fs::write(&cargo, format!("#!/bin/sh\necho '{prints}'\n")).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for tool in ["dirname", "sed", "sort", "head", "sh"] {
        let real = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(tool));
        std::os::unix::fs::symlink(real.iter().find(|path| path.exists()).unwrap(), folder.path().join(tool)).unwrap();
    }
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup");
    let output = Command::new("/bin/bash")
        .env_clear()
        .env("PATH", folder.path())
        .env("HOME", folder.path())
        .args(["-c", "set -euo pipefail; . \"$0\"; need_cargo", setup])
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_rust_that_is_missing_or_too_old_is_told_with_what_to_do() {
    for (prints, wanted) in [
        (None, "Rust is missing"),
        (Some("cargo 1.9.0 (abc 2016-01-01)"), "Rust 1.9.0 is too old"),
        (Some("cargo 1.63.0"), "Rust 1.63.0 is too old"),
        (Some("nothing of the kind"), "cargo does not run"),
    ] {
        let (code, said) = need_cargo(prints);
        assert_eq!((code, said.lines().count()), (Some(1), 2), "{said}");
        assert!(said.contains(wanted) && said.contains(env!("CARGO_PKG_RUST_VERSION")), "{said}");
        assert!(said.contains("\nhint: ") && said.contains("https://rustup.rs"), "{said}");
    }
}

#[test]
fn a_rust_that_is_new_enough_is_taken() {
    for version in [env!("CARGO_PKG_RUST_VERSION"), "1.100.0-nightly", "2.0.0"] {
        assert_eq!(need_cargo(Some(&format!("cargo {version} (abc 2026-01-01)"))), (Some(0), String::new()));
    }
}
